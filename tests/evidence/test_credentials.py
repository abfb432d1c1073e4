"""Content credentials: absent, holding, by whom, broken; read where they can do no harm."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from evidence import credentials
from evidence.credentials import Credentials, Limits, State
from evidence.errors import Malformed, NotAnswered
from tests.evidence.camera import EDITED, GENERATED, MADE, Camera, bare
from tests.evidence.files import GOOD


@pytest.fixture(scope="module")
def camera() -> Camera:
    return Camera()


@pytest.fixture(scope="module")
def picture(camera: Camera) -> bytes:
    return camera.shoot(MADE)


async def sent(data: bytes, step: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


async def seen(data: bytes, anchors: str = "", limits: Limits | None = None) -> Credentials:
    return await credentials.examine(sent(data), "image/jpeg", anchors=anchors, limits=limits)


async def test_a_signature_that_holds_is_valid_and_its_signer_unknown(picture):
    found = await seen(picture)
    assert (found.state, found.signer, found.tool) == (State.VALID, "Camera Works", "Camera 7")
    assert (found.generated, found.edited) == (False, False)
    assert found.codes == ("signingCredential.untrusted",)


async def test_a_signer_on_the_list_is_trusted(picture, camera):
    found = await seen(picture, anchors=camera.authority)
    assert (found.state, found.codes) == (State.TRUSTED, ())


async def test_a_list_that_does_not_name_the_signer_trusts_nobody(picture):
    assert (await seen(picture, anchors=Camera().authority)).state is State.VALID


async def test_a_picture_changed_after_signing_is_broken_and_says_what_does_not_hold(picture):
    changed = bytearray(picture)
    changed[-100] ^= 1
    found = await seen(bytes(changed))
    assert found.state is State.BROKEN
    assert "assertion.dataHash.mismatch" in found.codes


async def test_what_the_credentials_tell_of_models_and_edits_is_told(camera):
    made = await seen(camera.shoot(GENERATED))
    assert (made.generated, made.edited) == (True, False)
    edited = await seen(camera.shoot(MADE, EDITED))
    assert (edited.generated, edited.edited) == (False, True)


async def test_most_files_have_none():
    assert await seen(bare()) == Credentials(State.ABSENT)


async def test_a_file_that_only_says_the_word_has_none_that_can_be_read():
    assert (await seen(bare() + b"c2pa")).state in {State.ABSENT, State.UNREADABLE}
    assert (await seen(b"c2pa, and no picture at all")).state in {State.ABSENT, State.UNREADABLE}


async def test_credentials_that_are_cut_are_not_valid(picture):
    for size in (200, 2000, len(picture) // 2, len(picture) - 10):
        found = await seen(picture[:size])
        assert found.state in {State.ABSENT, State.BROKEN, State.UNREADABLE}, size


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "text/csv"])
async def test_types_that_carry_none_are_not_looked_at(media_type):
    data = GOOD[media_type] + b"c2pa"
    assert (await credentials.examine(sent(data), media_type)).state is State.UNSEEN


async def test_a_film_beyond_the_limit_is_not_looked_at():
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(2**20)

    found = await credentials.examine(endless(), "video/mp4")
    assert found.state is State.UNSEEN


@pytest.mark.parametrize(
    "limits", [Limits(memory_bytes=64 * 2**20), Limits(cpu_seconds=0)], ids=["memory", "time"]
)
async def test_a_file_that_takes_more_than_its_limits_is_unreadable(picture, limits):
    long = picture + bytes(30 * 2**20)
    assert (await seen(long, limits=limits)).state is State.UNREADABLE


async def test_a_machine_too_busy_to_answer_is_asked_again_later(picture):
    with pytest.raises(NotAnswered):
        await seen(picture, limits=Limits(wall_seconds=0.001))


WHOLE = Credentials(
    State.BROKEN, "Camera Works", "Camera 7", datetime(2026, 1, 2, tzinfo=UTC), True, True, ("x.y",)
)


@pytest.mark.parametrize("given", [WHOLE, Credentials(State.ABSENT)])
def test_credentials_are_written_and_read_again(given):
    assert credentials.read(credentials.write(given)) == given


@pytest.mark.parametrize(
    "change",
    [
        {"state": "fine"},
        {"state": None},
        {"signer": 7},
        {"signer": "a\nb"},
        {"tool": "x" * 201},
        {"signed": "yesterday"},
        {"signed": "2026-01-02T00:00:00"},
        {"signed": 7},
        {"generated": 1},
        {"codes": "x"},
        {"codes": [None]},
        {"codes": ["x"] * 21},
        {"more": 1},
    ],
)
def test_another_spelling_is_malformed(change):
    with pytest.raises(Malformed):
        credentials.read(credentials.write(WHOLE) | change)


@pytest.mark.parametrize("value", [None, [], "absent", {}])
def test_something_else_is_malformed(value):
    with pytest.raises(Malformed):
        credentials.read(value)
