"""The ring of a key-management service, against one on loopback that can be difficult."""

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from evidence import kms
from evidence.errors import KeyMissing, KeysFailed, KeysRefused, PartFailed, Tampered
from evidence.keys import Wrapped
from evidence.kms import KmsKeyRing
from tests.servers.kms import ACCESS_KEY, REGION, Key, KeyManagement, Refusal

BLOB = "00f8a1b2-0000-8000-8000-000000000001"


@pytest.fixture
def service() -> Iterator[KeyManagement]:
    with KeyManagement() as made:
        made.make("files")
        yield made


@pytest.fixture
def key(service: KeyManagement) -> Key:
    return next(iter(service.keys.values()))


@pytest.fixture
def rings(service: KeyManagement) -> Iterator["Rings"]:
    made = Rings(service)
    yield made
    made.close()


class Rings:
    """Rings of one service, whose threads are let go in the end."""

    def __init__(self, service: KeyManagement) -> None:
        self._url = service.url
        self._made: list[tuple[KmsKeyRing, Any]] = []

    async def open(self, key: str = "alias/files", **options: Any) -> KmsKeyRing:
        quick = Config(connect_timeout=0.5, read_timeout=0.5)
        client = boto3.client(
            "kms",
            endpoint_url=self._url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key="secret",
            config=kms.CONFIG.merge(quick),
        )
        ring = KmsKeyRing(client, key, **options)
        self._made.append((ring, client))
        await ring.open()
        return ring

    def close(self) -> None:
        for ring, client in self._made:
            ring.close()
            client.close()


async def test_a_key_that_was_wrapped_opens_and_says_under_which_it_is(rings, key, service):
    ring = await rings.open()
    secret = secrets.token_bytes(32)
    wrapped = await ring.wrap(secret, BLOB)
    assert wrapped.key_id == ring.current == f"kms:{key.arn}"
    assert secret not in wrapped.data
    assert await ring.unwrap(wrapped, BLOB) == secret
    assert service.contexts == [{"vault": BLOB}] * 3


async def test_what_was_wrapped_for_one_blob_opens_for_no_other(rings):
    ring = await rings.open()
    wrapped = await ring.wrap(bytes(32), BLOB)
    with pytest.raises(Tampered):
        await ring.unwrap(wrapped, BLOB[:-1] + "2")


async def test_a_key_opens_under_the_key_that_its_id_names_and_no_other(rings, service):
    other = service.make()
    ring = await rings.open()
    wrapped = await ring.wrap(bytes(32), BLOB)
    with pytest.raises(Tampered):
        await ring.unwrap(Wrapped(wrapped.data, f"kms:{other.arn}"), BLOB)


async def test_an_alias_that_moved_on_wraps_under_the_new_key_and_old_ones_open(rings, service):
    old = await (await rings.open()).wrap(bytes(range(32)), BLOB)
    new = service.make("files")
    ring = await rings.open()
    assert (await ring.wrap(bytes(32), BLOB)).key_id == f"kms:{new.arn}"
    assert await ring.unwrap(old, BLOB) == bytes(range(32))


@pytest.mark.parametrize("place", [0, 1, -1, "half", "none"])
async def test_a_wrapped_key_that_was_changed_does_not_open(rings, place):
    ring = await rings.open()
    data = bytearray((await ring.wrap(bytes(32), BLOB)).data)
    if place == "half":
        del data[len(data) // 2 :]
    elif place == "none":
        data = bytearray(b"\x00" * 60)
    else:
        data[place] ^= 1
    with pytest.raises(Tampered):
        await ring.unwrap(Wrapped(bytes(data), ring.current), BLOB)


async def test_an_id_of_another_kind_of_key_is_missing_and_nobody_is_asked(rings, service):
    ring = await rings.open()
    before = service.calls.total()
    with pytest.raises(KeyMissing):
        await ring.unwrap(Wrapped(bytes(40), "0001020304050607"), BLOB)
    assert service.calls.total() == before


async def test_a_key_that_there_is_not_is_missing(rings):
    with pytest.raises(KeyMissing):
        await rings.open("alias/none")
    ring = await rings.open()
    with pytest.raises(KeyMissing):
        await ring.unwrap(Wrapped(bytes(60), "kms:arn:aws:kms:none"), BLOB)


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "Unavailable"])
async def test_a_key_that_is_out_of_use_is_refused_and_works_again_when_it_is_back(
    rings, key, state
):
    ring = await rings.open()
    wrapped = await ring.wrap(bytes(range(32)), BLOB)
    key.state = state
    with pytest.raises(KeysRefused):
        await ring.wrap(bytes(32), BLOB)
    with pytest.raises(KeysRefused):
        await ring.unwrap(wrapped, BLOB)
    with pytest.raises(KeysRefused, match=state):
        await rings.open()
    key.state = "Enabled"
    assert await ring.unwrap(wrapped, BLOB) == bytes(range(32))


async def test_a_key_for_signing_is_refused(rings, key):
    key.usage = "SIGN_VERIFY"
    with pytest.raises(KeysRefused, match="SIGN_VERIFY"):
        await rings.open()


@pytest.mark.parametrize("call", ["Encrypt", "Decrypt"])
async def test_without_the_right_to_a_call_it_is_refused(rings, service, call):
    ring = await rings.open()
    service.denied.add(call)
    with pytest.raises(KeysRefused, match="AccessDenied"):
        await ring.wrap(bytes(32), BLOB)


@pytest.mark.parametrize(
    "trouble",
    [
        Refusal("ThrottlingException"), Refusal("LimitExceededException", 400),
        Refusal("KMSInternalException", 500), Refusal("DependencyTimeoutException", 503),
        Refusal("KeyUnavailableException", 500), "hang", "cut",
    ],
    ids=lambda each: getattr(each, "code", each),
)  # fmt: skip
async def test_trouble_that_passes_is_waited_out_or_told_as_such(rings, service, trouble):
    ring = await rings.open()
    wrapped = await ring.wrap(bytes(range(32)), BLOB)
    service.next.append(trouble)
    try:
        assert await ring.unwrap(wrapped, BLOB) == bytes(range(32))
    except KeysFailed as failed:
        assert not isinstance(failed, KeysRefused)  # noqa: PT017 -- either is right, this is not
    assert await ring.unwrap(wrapped, BLOB) == bytes(range(32))


async def test_being_held_back_twice_is_waited_out(rings, service):
    ring = await rings.open()
    wrapped = await ring.wrap(bytes(range(32)), BLOB)
    service.next += [Refusal("ThrottlingException")] * 2
    assert await ring.unwrap(wrapped, BLOB) == bytes(range(32))


@pytest.mark.parametrize(
    "trouble", [Refusal("ThrottlingException"), Refusal("KMSInternalException", 500), "garbage"]
)
async def test_trouble_that_stays_is_told_and_may_be_tried_again(rings, service, trouble):
    ring = await rings.open()
    service.always = trouble
    with pytest.raises(KeysFailed) as failed:
        await ring.wrap(bytes(32), BLOB)
    assert isinstance(failed.value, PartFailed)
    assert failed.value.part == "keys"
    service.always = None
    await ring.wrap(bytes(32), BLOB)


async def test_a_service_that_hangs_is_given_up_in_bounded_time(rings, service):
    ring = await rings.open(call_seconds_max=0.2)
    service.always = "hang"
    with pytest.raises(KeysFailed, match="did not answer within"):
        await ring.wrap(bytes(32), BLOB)


async def test_a_service_that_is_away_has_failed():
    with KeyManagement() as service:
        service.make("files")
        rings = Rings(service)
        ring = await rings.open()
    with pytest.raises(KeysFailed):
        await ring.wrap(bytes(32), BLOB)
    rings.close()


def _short(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"Plaintext": base64.b64encode(bytes(16)).decode()}


def _other_plain(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"Plaintext": base64.b64encode(bytes(range(32))).decode()}


def _other_key(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"KeyId": answer["KeyId"] + "0"}


def _nothing(_: dict[str, Any]) -> dict[str, Any]:
    return {}


def _not_encrypted(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"CiphertextBlob": base64.b64encode(bytes(32)).decode()}


def _too_long(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"CiphertextBlob": base64.b64encode(bytes(2000)).decode()}


def _of_another(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"CiphertextBlob": base64.b64encode(bytes(200)).decode()}


@pytest.mark.parametrize("lie", [_short, _other_key, _nothing])
async def test_a_service_that_lies_when_it_opens_has_failed(rings, service, lie):
    ring = await rings.open()
    wrapped = await ring.wrap(bytes(32), BLOB)
    service.next.append(lie)
    with pytest.raises(KeysFailed):
        await ring.unwrap(wrapped, BLOB)


@pytest.mark.parametrize("lie", [_not_encrypted, _too_long, _of_another, _other_key, _nothing])
async def test_a_service_that_lies_when_it_encrypts_has_failed(rings, service, lie):
    ring = await rings.open()
    service.next.append(lie)
    with pytest.raises(KeysFailed):
        await ring.wrap(bytes(32), BLOB)


async def test_what_does_not_open_as_what_was_wrapped_is_not_given_out(rings, service):
    ring = await rings.open()
    service.next += [lambda answer: answer, _other_plain]
    with pytest.raises(KeysFailed, match="does not open again"):
        await ring.wrap(bytes(32), BLOB)


async def test_a_service_that_names_no_key_has_failed(rings, service):
    service.next.append(_nothing)
    with pytest.raises(KeysFailed):
        await rings.open()
