"""The worked example of evidence/README.md is what the code makes."""

import re
from datetime import UTC, datetime
from hashlib import sha256, sha512
from pathlib import Path
from uuid import UUID

import pytest

from evidence import body, cipher, entry, keys, merkle, note, receipt

README = (Path(entry.__file__).parent / "README.md").read_text(encoding="utf-8")

COUNTING = bytes(range(32))
TEXT = b"The seal was broken.\n"
BLOB = UUID("01430000-0000-8000-8000-000000000002")
SEALED = b"".join(cipher.seal(COUNTING, BLOB, [TEXT]))
PLAINTEXT = body.Plaintext(
    BLOB, "text/plain", sha256(TEXT).digest(), sha512(TEXT).digest(), len(TEXT)
)
BODY = body.encode(body.Body("submit_exhibit", {"label": "A-1"}, PLAINTEXT))
FIRST = entry.Entry(
    origin="vault.example/2026",
    stream=UUID("01430000-0000-8000-8000-000000000001"),
    seq=0,
    prev=entry.FIRST_PREV,
    time=datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
    body=entry.commit(COUNTING, BODY),
    blob=entry.Ciphertext(sha256(SEALED).digest(), len(SEALED)),
)
ENTRY = entry.encode(FIRST)
LEAF = entry.leaf_hash(ENTRY)
SIGNER = keys.local_signer("vault.example/receipts", COUNTING)
RECEIPT = receipt.write(
    receipt.Receipt(FIRST.origin, FIRST.stream, 0, LEAF, entry.to_microseconds(FIRST.time), 0)
)


async def signed_receipt() -> str:
    return note.assemble(RECEIPT, SIGNER.key, await SIGNER.sign(RECEIPT.encode()))


async def example() -> dict[str, str]:
    """Make the README's example, block by block."""
    return {
        "file": TEXT.hex(),
        "ciphertext": SEALED.hex(),
        "private body": BODY.decode(),
        "commitment": FIRST.body.hex(),
        "entry": ENTRY.decode(),
        "entry in hex": ENTRY.hex(),
        "leaf hash": LEAF.hex(),
        "root of the record of this one entry": merkle.root([LEAF]).hex(),
        "receipt": await signed_receipt(),
        "verifier key": str(SIGNER.key),
    }


def blocks() -> dict[str, str]:
    """Read the README's example: a bold name, then a fenced block."""
    found = re.findall(
        r"^\*\*([a-z ]+)\*\*[^\n]*\n\n```\n(.*?)```", README, re.MULTILINE | re.DOTALL
    )
    return dict(found)


@pytest.mark.parametrize(
    "name",
    [
        "file", "ciphertext", "private body", "commitment", "entry", "entry in hex", "leaf hash",
        "root of the record of this one entry", "receipt", "verifier key",
    ],
)  # fmt: skip
async def test_the_example_is_what_the_code_makes(name: str):
    made = (await example())[name]
    shown = blocks()[name]
    if name != "receipt":
        shown = shown.replace("\n", "")
    assert shown == made


def test_the_example_reads_back():
    assert entry.decode(bytes.fromhex(blocks()["entry in hex"].replace("\n", ""))) == FIRST
    key = note.read_verifier_key(blocks()["verifier key"].strip())
    said, signed = receipt.verify(blocks()["receipt"].encode(), [key])
    assert signed == (key,)
    assert said.leaf == LEAF


def test_every_module_is_told():
    folder = Path(entry.__file__).parent
    for path in folder.glob("*.py"):
        if path.name != "__init__.py":
            assert f"`{path.name}`" in README, path.name
