"""The worked example of evidence/README.md is what the code makes."""

import re
from datetime import UTC, datetime
from hashlib import sha256, sha512
from pathlib import Path
from uuid import UUID

import pytest

from evidence import (
    body,
    checkpoint,
    cipher,
    cosignature,
    entry,
    keys,
    lineage,
    merkle,
    note,
    proof,
    receipt,
    signature,
    tile,
    tree,
)

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


LOG = keys.local_signer(FIRST.origin, COUNTING)
WITNESS = keys.local_signer(
    "witness.example/w1", bytes(range(32, 64)), signature.ED25519_COSIGNATURE
)
ENTRIES = [ENTRY, b"second", b"third"]
GROWN = tree.grow(0, [entry.leaf_hash(one) for one in ENTRIES], {})
[TILE] = GROWN
[BUNDLE] = tile.new_bundles(0, len(ENTRIES))
HEAD = checkpoint.write(
    checkpoint.Checkpoint(FIRST.origin, len(ENTRIES), tree.root(len(ENTRIES), GROWN))
)
# Made of several lines, so that no line of theirs is broken.
WHOLE = {"receipt", "names of the files", "checkpoint", "proof of the entry", "statement of keys"}


async def signed_checkpoint() -> str:
    return note.join(
        HEAD, [await cosignature.sign(one, HEAD, FIRST.time) for one in (LOG, WITNESS)]
    )


async def signed_statement() -> str:
    text = lineage.write(FIRST.origin, [str(LOG.key)], [str(SIGNER.key)])
    return note.assemble(text, LOG.key, await LOG.sign(text.encode()))


async def log_example() -> dict[str, str]:
    """Make the blocks on the log."""
    signed = await signed_checkpoint()
    hashes = tuple(tree.inclusion_proof(0, len(ENTRIES), GROWN))
    seconds = int(FIRST.time.timestamp())
    return {
        "names of the files": f"checkpoint\n{BUNDLE.path}\n{TILE.path}\n",
        "entry bundle in hex": tile.encode_bundle(ENTRIES).hex(),
        "tile in hex": GROWN[TILE].hex(),
        "root of the log": tree.root(len(ENTRIES), GROWN).hex(),
        "checkpoint": signed,
        "verifier key of the log": str(LOG.key),
        "statement of keys": await signed_statement(),
        "verifier key of the witness": str(WITNESS.key),
        "message of an ml dsa cosignature in hex": signature.message(
            signature.MLDSA44_COSIGNATURE, FIRST.origin, HEAD.encode(), seconds
        ).hex(),
        "proof of the entry": proof.write(proof.Proof(0, hashes, signed.encode())),
    }


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
        **await log_example(),
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
        "root of the record of this one entry", "receipt", "verifier key", "names of the files",
        "entry bundle in hex", "tile in hex", "root of the log", "checkpoint",
        "verifier key of the log", "verifier key of the witness",
        "message of an ml dsa cosignature in hex", "proof of the entry", "statement of keys",
    ],
)  # fmt: skip
async def test_the_example_is_what_the_code_makes(name: str):
    made = (await example())[name]
    shown = blocks()[name]
    if name not in WHOLE:
        shown = shown.replace("\n", "")
    assert shown == made


def test_the_example_reads_back():
    assert entry.decode(bytes.fromhex(blocks()["entry in hex"].replace("\n", ""))) == FIRST
    key = note.read_verifier_key(blocks()["verifier key"].strip())
    said, signed = receipt.verify(blocks()["receipt"].encode(), [key])
    assert signed == (key,)
    assert said.leaf == LEAF


def test_the_example_s_proof_holds():
    shown = blocks()
    log, witness = (
        note.read_verifier_key(shown[f"verifier key of the {name}"].replace("\n", ""))
        for name in ("log", "witness")
    )
    data = bytes.fromhex(shown["entry in hex"].replace("\n", ""))
    policy = proof.Witnesses((witness,), 1)
    found = proof.verify(shown["proof of the entry"].encode(), entry.leaf_hash(data), [log], policy)
    assert found.checkpoint.root.hex() == shown["root of the log"].strip()
    assert (
        proof.read(shown["proof of the entry"].encode()).checkpoint.decode()
        == (shown["checkpoint"])
    )


def test_every_module_is_told():
    folder = Path(entry.__file__).parent
    for path in folder.glob("*.py"):
        if path.name != "__init__.py":
            assert f"`{path.name}`" in README, path.name
