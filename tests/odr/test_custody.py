"""The chain of custody as a graph, judged by CASE's own validator."""

import json
import subprocess
import sys
from dataclasses import replace
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
from evidence.tombstone import Erased
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


def erased_of(contents: Contents, *, words: bool) -> Contents:
    """The same after an erasure that the record tells of, with what was said of it or without."""
    told = Body("submit_exhibit", {"role": "claimant", "label": "A-1", "filename": ""}, PHOTO)
    body = {"role": "administrator", "kept": []}
    if words:
        body["kept"] = [{"seq": 1, "value": bodies.value(told)}]
    erased = Erased("court_order", "administrator", (1,) if words else (), (PHOTO.id,))
    first, second, third = contents.streams[0].entries
    second = replace(second, body=None, salt=None) if words else second
    tombstone = kept(3, Body("erase_exhibit", body, erased=erased))
    stream = Stream(STREAM, (first, second, third, tombstone), ())
    return Contents((stream,), (replace(contents.blobs[0], wrapped_key=None),), ())


@pytest.mark.parametrize("words", [True, False])
def test_what_was_erased_says_so_and_is_not_listed_as_in_the_bundle(
    contents: Contents, tmp_path: Path, *, words: bool
):
    path = tmp_path / "custody.jsonld"
    path.write_bytes(custody.graph(CASE, "C-1", erased_of(contents, words=words)))
    nodes = {one["@id"]: one for one in json.loads(path.read_bytes())["@graph"]}
    file = nodes[f"urn:uuid:{PHOTO.id}"]
    said = (
        "erased on 2026-11-22 on the ground court_order (a court or an authority ordered it)"
        f" by the administrator, as entry 3 of stream {STREAM} says"
    )
    assert file["uco-core:description"] == f"Not in the bundle: {said}"
    (content,) = file["uco-core:hasFacet"]
    assert content["@type"] == "uco-observable:ContentDataFacet"
    assert content["uco-observable:hash"][0]["uco-types:hashValue"]["@value"] == "00" * 32
    assert "blobs/" not in path.read_text()
    assert "broken cup" not in path.read_text()
    acts = {one.get("uco-core:name"): one for one in nodes.values()}
    assert acts["erase_exhibit"]["uco-action:startTime"]["@value"] == "2026-11-22T12:03:00+00:00"
    assert {"@id": file["@id"]} in acts["erase_exhibit"]["uco-action:object"]
    assert all(each["@id"] in nodes for each in acts["erase_exhibit"]["uco-action:object"])
    given = acts["submit_exhibit"]["uco-core:description"]
    assert (f"what it said was {said}" in given) is words
    done = validate(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_erased_file_of_which_nothing_else_is_shown_is_named(contents: Contents):
    gone = erased_of(contents, words=False)
    entries_left = (gone.streams[0].entries[0], gone.streams[0].entries[3])
    left = replace(gone, streams=(Stream(STREAM, entries_left, ()),))
    made = json.loads(custody.graph(CASE, "C-1", left))
    (file,) = (one for one in made["@graph"] if one["@id"] == f"urn:uuid:{PHOTO.id}")
    assert file["uco-core:description"].startswith("Not in the bundle: erased on 2026-11-22")
    assert {"@id": file["@id"]} in made["@graph"][0]["uco-core:object"]


def test_what_is_withheld_is_not_there_and_nothing_is_quoted(contents: Contents):
    made = custody.graph(CASE, "C-1", contents).decode()
    names = [one.get("uco-core:name") for one in json.loads(made)["@graph"]]
    assert names.count("withheld") == 1
    assert WITHHELD not in made


def test_the_same_record_makes_the_same_bytes(contents: Contents):
    assert custody.graph(CASE, "C-1", contents) == custody.graph(CASE, "C-1", contents)
    assert custody.graph(uuid4(), "C-1", contents) != custody.graph(CASE, "C-1", contents)
