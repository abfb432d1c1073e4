"""Pieces of a file in the store: encrypted, each in its place, of no use to anybody else."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from evidence import instalment, keys
from evidence.errors import StoreError, Tampered
from evidence.store import DirectoryStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
PARTS = (b"first words " * 1000, b"second words " * 1000, b"!")


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def ring():
    return keys.generate("vault.example/receipts").keyring()


async def begun(store, ring, file):
    return await instalment.go_on(store, ring, file, await instalment.begin(ring, file))


async def put(opened):
    at, pieces = 0, []
    for part in PARTS:
        pieces.append(await opened.put(at, part))
        at = pieces[-1].end
    return pieces


async def read(opened, pieces):
    return [part async for part in opened.read(pieces)]


async def test_what_was_put_is_read_by_whoever_has_the_key(store, ring):
    file = uuid4()
    wrapped = await instalment.begin(ring, file)
    pieces = await put(await instalment.go_on(store, ring, file, wrapped))
    again = await instalment.go_on(store, ring, file, wrapped)
    assert await read(again, pieces) == list(PARTS)


async def test_nothing_lies_in_clear(store, ring, tmp_path):
    await put(await begun(store, ring, uuid4()))
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(kept) > sum(map(len, PARTS))
    assert b"words" not in kept


async def test_the_same_bytes_in_the_same_place_are_never_sealed_alike(store, ring):
    opened = await begun(store, ring, uuid4())
    one, other = [await opened.put(0, PARTS[0]) for _ in range(2)]
    kept = [[part async for part in store.get(each.key, each.version)] for each in (one, other)]
    assert kept[0] != kept[1]


@pytest.mark.parametrize("how", ["moved", "swapped", "shorter", "flipped", "another file's"])
async def test_a_piece_that_is_not_the_one_that_was_put_does_not_open(store, ring, tmp_path, how):
    opened = await begun(store, ring, uuid4())
    pieces = await put(opened)
    first, second = pieces[0], pieces[1]
    if how == "moved":
        pieces[0] = replace(first, start=1)
    elif how == "swapped":
        pieces[0] = replace(first, key=second.key, version=second.version)
    elif how == "shorter":
        pieces[0] = replace(first, size=first.size - 1)
    elif how == "flipped":
        path = next(tmp_path.rglob(f"*.{first.start}-*"))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        other = await (await begun(store, ring, uuid4())).put(0, PARTS[0])
        pieces[0] = other
    with pytest.raises(Tampered):
        await read(opened, pieces)


async def test_all_of_a_file_goes_and_nothing_of_another(store, ring):
    mine, theirs = uuid4(), uuid4()
    opened, other = await begun(store, ring, mine), await begun(store, ring, theirs)
    pieces, kept = await put(opened), await put(other)
    await opened.put(0, b"of which a crash left no row")
    await instalment.remove(store, mine, now=AT)
    await instalment.remove(store, mine, now=AT)
    assert [one.key async for one in store.keys("parts/")] == sorted(each.key for each in kept)
    assert await read(other, kept) == list(PARTS)
    with pytest.raises(StoreError):
        await read(opened, pieces)
