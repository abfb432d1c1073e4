"""The chain of custody as a graph, judged by CASE's own validator."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from evidence import body as bodies
from evidence import entry as entries
from evidence.blob import Blob
from evidence.body import Body, Plaintext
from evidence.bundle import Contents, Kept, Stream
from evidence.entry import Ciphertext, Entry
from evidence.models import BlobState
from odr import custody

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CASE = UUID(int=7)
STREAM = UUID(int=8)
PHOTO = Plaintext(UUID(int=9), "image/jpeg", bytes(32), sha512(b"").digest(), 12)
WITHHELD = "strawberry"


def kept(seq: int, said: Body | None) -> Kept:
    encoded = b"" if said is None else bodies.encode(said)
    blob = Ciphertext(bytes(32), 28) if said is not None and said.blob else None
    at = NOON + timedelta(minutes=seq)
    commitment = entries.commit(bytes(32), encoded)
    one = Entry("vault.example/2026", STREAM, seq, bytes(32), at, commitment, blob)
    data = entries.encode(one)
    return Kept(seq, data, bytes(32), encoded or None, None, None, None)


@pytest.fixture
def contents() -> Contents:
    filed = Body("file", {"role": "claimant", "statement": WITHHELD})
    given = Body(
        "submit_exhibit",
        {"role": "claimant", "label": "A-1", "filename": "broken cup.jpg"},
        PHOTO,
    )
    cipher, where = Ciphertext(bytes(32), 28), "blobs/x"
    kept_blob = Blob(
        PHOTO, cipher, bytes(40), "k", where, "1", BlobState.ACCEPTED, None, None, NOON
    )
    stream = Stream(STREAM, (kept(0, filed), kept(1, given), kept(2, None)), ())
    return Contents((stream,), (kept_blob,), ())


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("case_validate")
    return subprocess.run(
        [program, "--built-version", "case-1.4.0", "--allow-info", path],
        capture_output=True,
        check=False,
        text=True,
    )


def test_the_ontologys_own_validator_accepts_it(contents: Contents, tmp_path: Path):
    path = tmp_path / "custody.jsonld"
    path.write_bytes(custody.graph(CASE, "C-1", contents))
    done = validate(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Conforms: True" in done.stdout


def test_the_validator_refuses_what_is_wrong(contents: Contents, tmp_path: Path):
    made = json.loads(custody.graph(CASE, "C-1", contents))
    for node in made["@graph"]:
        for facet in node.get("uco-core:hasFacet", []):
            facet["uco-observable:sizeInBytes"] = "large"
    path = tmp_path / "custody.jsonld"
    path.write_text(json.dumps(made))
    assert validate(path).returncode != 0


def test_it_says_who_deposited_what_and_when(contents: Contents):
    made = json.loads(custody.graph(CASE, "C-1", contents))
    nodes = {one["@id"]: one for one in made["@graph"]}
    assert nodes[f"urn:uuid:{CASE}"]["uco-core:name"] == "C-1"
    (record,) = (
        one for one in nodes.values() if one["@type"] == "case-investigation:ProvenanceRecord"
    )
    assert record["case-investigation:exhibitNumber"] == "A-1"
    assert record["uco-core:description"] == "Deposited by the claimant"
    file = nodes[record["uco-core:object"][0]["@id"]]
    about, content = file["uco-core:hasFacet"]
    assert about["uco-observable:fileName"] == "broken cup.jpg"
    assert content["uco-observable:sizeInBytes"] == 12
    digests = [one["uco-types:hashValue"]["@value"] for one in content["uco-observable:hash"]]
    assert digests == [PHOTO.sha256.hex(), PHOTO.sha512.hex()]
    (deposit,) = (one for one in nodes.values() if one.get("uco-core:name") == "submit_exhibit")
    assert deposit["uco-action:startTime"]["@value"] == "2026-11-22T12:01:00+00:00"
    assert {"@id": record["@id"]} in deposit["uco-action:result"]


def test_what_is_withheld_is_not_there_and_nothing_is_quoted(contents: Contents):
    made = custody.graph(CASE, "C-1", contents).decode()
    names = [one.get("uco-core:name") for one in json.loads(made)["@graph"]]
    assert names.count("withheld") == 1
    assert WITHHELD not in made


def test_the_same_record_makes_the_same_bytes(contents: Contents):
    assert custody.graph(CASE, "C-1", contents) == custody.graph(CASE, "C-1", contents)
    assert custody.graph(uuid4(), "C-1", contents) != custody.graph(CASE, "C-1", contents)
