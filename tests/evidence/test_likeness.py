"""Likenesses: every near hash is found, no far one; what looks like everything is told apart."""

import random
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import blob as blobs
from evidence import likeness
from evidence.body import Plaintext
from evidence.entry import Ciphertext
from evidence.models import BlobState
from evidence.pictures import perceptual
from tests.evidence.cases import NOW

HASHES = st.integers(0, 2**64 - 1)
BITS = st.sets(st.integers(0, 63), max_size=8)


async def kept(conn: AsyncConnection):
    """A row of a blob, whose bytes nobody asks for."""
    one = blobs.Blob(
        plaintext=Plaintext(uuid4(), "image/jpeg", bytes(32), bytes(64), 10),
        ciphertext=Ciphertext(bytes(32), 26),
        wrapped_key=bytes(40),
        key_id="key",
        store_key=str(uuid4()),
        store_version="1",
        state=BlobState.STORED,
        retained_until=None,
        retained_at=None,
        created=NOW,
    )
    await blobs.record(conn, one)
    return one


def turned(perceptual: int, bits) -> int:
    for bit in bits:
        perceptual ^= 1 << bit
    return perceptual


@given(HASHES, BITS)
def test_a_near_hash_has_a_quarter_that_is_looked_up(perceptual, bits):
    one, other = likeness.spread(perceptual), likeness.spread(turned(perceptual, bits))
    differing = [((one ^ other) >> 16 * number & 0xFFFF).bit_count() for number in range(4)]
    assert sum(differing) == len(bits)
    assert differing[0] <= 2 or min(differing[1:]) <= 1


def test_each_bit_of_a_hash_has_a_place_of_its_own():
    places = {likeness.spread(1 << bit) for bit in range(64)}
    assert places == {1 << place for place in range(64)}


def test_no_two_neighbours_share_a_quarter():
    quarters = [likeness.spread(1 << bit).bit_length() - 1 >> 4 for bit in range(64)]
    for row in range(8):
        for column in range(8):
            here = quarters[row * 8 + column]
            assert column == 7 or quarters[row * 8 + column + 1] != here
            assert row == 7 or quarters[row * 8 + column + 8] != here


async def test_all_hashes_within_eight_bits_are_found_and_no_other(connection):
    chance = random.Random(8)  # noqa: S311 - an example, no secret
    base = chance.getrandbits(64)
    expected = {}
    for distance in range(17):
        for _ in range(12):
            one = await kept(connection)
            await likeness.add(connection, one.id, turned(base, chance.sample(range(64), distance)))
            expected[one.id] = distance
    for _ in range(100):
        one = await kept(connection)
        await likeness.add(connection, one.id, chance.getrandbits(64))
    found = await likeness.near(connection, base, most=1000)
    assert {each.blob: each.distance for each in found} == {
        blob: distance for blob, distance in expected.items() if distance <= 8
    }
    assert [each.distance for each in found] == sorted(each.distance for each in found)
    nearer = await likeness.near(connection, base, distance=3, most=1000)
    assert {each.blob for each in nearer} == {b for b, d in expected.items() if d <= 3}


async def test_the_extremes_of_sixty_four_bits_are_kept(connection):
    for extreme in (0, 1, 2**63, 2**64 - 1, 2**63 - 1, 0xFFFF, 0xFFFF << 48):
        one = await kept(connection)
        await likeness.add(connection, one.id, extreme)
        (first, *_) = await likeness.near(connection, extreme, distance=0)
        assert (first.blob, first.distance) == (one.id, 0)


@pytest.mark.parametrize("perceptual", [-1, 2**64])
async def test_a_hash_has_sixty_four_bits(connection, perceptual):
    with pytest.raises(ValueError, match="64 bits"):
        await likeness.near(connection, perceptual)
    with pytest.raises(ValueError, match="64 bits"):
        likeness.plain(perceptual)


async def test_no_search_promises_more_than_it_finds(connection):
    with pytest.raises(ValueError, match="8 bits"):
        await likeness.near(connection, 0, distance=9)


async def test_a_crowd_is_cut_short_at_its_nearest(connection):
    for bits in ((1,), (1, 2), (), (1, 2, 3)):
        one = await kept(connection)
        await likeness.add(connection, one.id, turned(77, bits))
    found = await likeness.near(connection, 77, most=2)
    assert [each.distance for each in found] == [0, 1]


async def test_pages_of_a_file_are_told_apart_and_kept_once(connection):
    one = await kept(connection)
    for part in (1, 2, 2):
        await likeness.add(connection, one.id, 99, part=part)
    assert [(each.blob, each.part) for each in await likeness.near(connection, 99)] == [
        (one.id, 1),
        (one.id, 2),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE vault_likenesses SET hash = 1",
        "DELETE FROM vault_likenesses",
        "TRUNCATE vault_likenesses",
    ],
)
async def test_a_likeness_stands_as_long_as_its_picture(engine, intruder, statement):
    for role in (engine, intruder):
        async with role.connect() as conn:
            one = await kept(conn)
            await likeness.add(conn, one.id, 5)
            with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
                await conn.execute(text(statement))


async def test_an_erased_or_refused_picture_is_forgotten(connection):
    erased, refused = await kept(connection), await kept(connection)
    for one in (erased, refused):
        await likeness.add(connection, one.id, 5)
    await connection.execute(
        text("UPDATE vault_blobs SET wrapped_key = NULL WHERE id = :id"), {"id": erased.id}
    )
    await likeness.forget(connection, erased.id)
    assert [each.blob for each in await likeness.near(connection, 5)] == [refused.id]
    await blobs.refuse(connection, refused.id)
    await blobs.forget(connection, refused.id)
    assert await likeness.near(connection, 5) == []


# --- what shows too little -----------------------------------------------------------------------


def picture(mode: str, paint) -> Image.Image:
    made = Image.new("RGB", (320, 240), mode)
    paint(ImageDraw.Draw(made))
    return made


def scene(draw: ImageDraw.ImageDraw) -> None:
    chance = random.Random(3)  # noqa: S311 - an example, no secret
    for _ in range(60):
        x, y, size = chance.randrange(320), chance.randrange(240), chance.randrange(10, 90)
        colour = tuple(chance.randrange(256) for _ in range(3))
        draw.rectangle((x, y, x + size, y + size // 2), fill=colour)


def told(image: Image.Image) -> tuple[int, int]:
    return perceptual.perceive(image), perceptual.measure_contrast(image)


def test_a_blank_page_says_too_little_with_noise_and_without():
    chance = random.Random(3)  # noqa: S311 - an example, no secret
    noisy = Image.frombytes("L", (64, 64), bytes(chance.choices(range(250, 255), k=64 * 64)))
    for page in (picture("white", lambda _: None), noisy.convert("RGB")):
        assert likeness.plain(*told(page))


def test_a_single_gradient_says_too_little():
    assert likeness.plain(*told(Image.linear_gradient("L").convert("RGB")))


def test_a_scene_says_enough_and_still_does_when_it_was_pressed_and_shrunk():
    image = picture("white", scene)
    whole, _ = told(image)
    assert not likeness.plain(*told(image))
    small = image.resize((160, 120)).quantize(32).convert("RGB")
    pressed, contrast = told(small)
    assert not likeness.plain(pressed, contrast)
    assert (whole ^ pressed).bit_count() <= likeness.DISTANCE_MAX


@pytest.mark.parametrize("few", [0, 2**64 - 1, 0xFF, 2**64 - 1 ^ 0x3FF])
def test_a_hash_of_hardly_any_bits_says_too_little_whatever_the_contrast(few):
    assert likeness.plain(few)
    assert likeness.plain(few, 100)
