"""Programs that nobody here wrote, asked one by one.

The Go and the JavaScript program read a question in JSON on each line and answer likewise; the
Python ones are called. Each says whether it accepts; a fault of its own is none of its answers.
"""

import base64
import json
import subprocess
from typing import Any, Protocol

import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import verify_checkpoint
from sigstore._internal.trust import Keyring, RekorKeyring
from sigstore.errors import VerificationError
from sigstore.models import TransparencyLogEntry
from sigstore_models.common import v1 as common
from sigstore_models.rekor import v1 as rekor

from evidence.note import VerifierKey
from tests.evidence.judges.record import Consistency, Inclusion


class JudgeOfProofs(Protocol):
    def includes(self, one: Inclusion) -> bool: ...


class JudgeOfCheckpoints(Protocol):
    """Checks a proof under a checkpoint that the key signed."""

    def follows(self, one: Inclusion, note: str, key: VerifierKey) -> bool: ...


class Program:
    """A program that answers line by line."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "fault" not in answer, answer
        return answer

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


class Go(Program):
    """golang.org/x/mod/sumdb, note and tlog: the code behind Go's checksum database."""

    def opens(self, note: str, *keys: VerifierKey) -> list[str] | None:
        """Give the names whose signatures it knew; None if it refused the note."""
        answer = self.ask({"ask": "note", "note": note, "keys": [str(key) for key in keys]})
        return answer["said"] if answer["accepted"] else None

    def includes(self, one: Inclusion) -> bool:
        question = {
            "ask": "record",
            "entry": one.entry.hex(),
            "index": one.index,
            "size": one.size,
            "root": one.root.hex(),
            "proof": [node.hex() for node in one.proof],
        }
        return bool(self.ask(question)["accepted"])

    def extends(self, one: Consistency) -> bool:
        question = {
            "ask": "tree",
            "old": one.first,
            "before": one.before.hex(),
            "size": one.second,
            "root": one.root.hex(),
            "proof": [node.hex() for node in one.proof],
        }
        return bool(self.ask(question)["accepted"])

    def follows(self, one: Inclusion, note: str, key: VerifierKey) -> bool:
        return self.opens(note, key) is not None and self.includes(one)


class JavaScript(Program):
    """@sigstore/verify, of the npm command line."""

    def follows(self, one: Inclusion, note: str, key: VerifierKey) -> bool:
        question = {
            "checkpoint": note,
            "entry": one.entry.hex(),
            "index": one.index,
            "proof": [node.hex() for node in one.proof],
            "key": _der(key).hex(),
            "key_id": key.id.hex(),
            "url": f"https://{key.name}",
        }
        return bool(self.ask(question)["accepted"])


class Sigstore:
    """sigstore for Python: its parser of checkpoints and its Merkle code."""

    def includes(self, one: Inclusion) -> bool:
        return self._accepts(lambda: verify_merkle_inclusion(_entry(one, "-", b"-")))

    def follows(self, one: Inclusion, note: str, key: VerifierKey) -> bool:
        known = common.PublicKey(
            raw_bytes=base64.b64encode(_der(key)).decode(),
            key_details=common.PublicKeyDetails.PKIX_ED25519,
        )

        def check() -> None:
            found = _entry(one, note, key.id)
            verify_merkle_inclusion(found)
            verify_checkpoint(RekorKeyring(Keyring([known])), found)

        return self._accepts(check)

    @staticmethod
    def _accepts(check: Any) -> bool:
        try:
            check()
        except (VerificationError, ValidationError):  # its models refuse an index beyond the tree
            return False
        return True


class Scitt:
    """scitt-cose: the proofs of IETF's SCITT, RFC 9162 as verifiable data structure."""

    def includes(self, one: Inclusion) -> bool:
        proof = [node.hex() for node in one.proof]
        return scitt_cose.verify_inclusion(
            one.entry.hex(), one.index, one.size, proof, one.root.hex()
        )

    def extends(self, one: Consistency) -> bool:
        proof = [node.hex() for node in one.proof]
        return scitt_cose.verify_consistency(
            one.before.hex(), one.root.hex(), one.first, one.second, proof
        )


def _der(key: VerifierKey) -> bytes:
    public = Ed25519PublicKey.from_public_bytes(key.public)
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _entry(one: Inclusion, note: str, key_id: bytes) -> TransparencyLogEntry:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    proof = {
        "log_index": str(one.index),
        "root_hash": text(one.root),
        "tree_size": str(one.size),
        "hashes": [text(node) for node in one.proof],
        "checkpoint": {"envelope": note},
    }
    found = {
        "log_index": str(one.index),
        "log_id": {"key_id": text(key_id)},
        "kind_version": {"kind": "entry", "version": "1"},
        "inclusion_proof": proof,
        "canonicalized_body": text(one.entry),
    }
    return TransparencyLogEntry(rekor.TransparencyLogEntry.model_validate(found))
