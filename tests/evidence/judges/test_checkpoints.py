"""Others' code reads our checkpoints, takes the log's signature and skips those it cannot know."""

import base64
from dataclasses import replace

import pytest

from evidence import keys, proof
from evidence.proof import Proof
from tests.evidence.judges import record
from tests.evidence.judges.judge import Go, JudgeOfCheckpoints
from tests.evidence.judges.record import OWN, Record

JUDGES = ["go", "javascript", "sigstore"]


@pytest.fixture(params=JUDGES)
def judge(request: pytest.FixtureRequest) -> JudgeOfCheckpoints:
    return request.getfixturevalue(request.param)


def test_a_judge_follows_a_proof_to_our_checkpoint(log: Record, judge: JudgeOfCheckpoints):
    for one in record.inclusions(log):
        assert judge.follows(one, log.notes[one.size], OWN.key), (one.index, one.size)


def test_a_judge_refuses_a_checkpoint_that_was_tampered_with(
    log: Record, judge: JudgeOfCheckpoints
):
    one = log.inclusion(700, 1000)
    for what, note in record.wrong_notes(log.notes[1000]).items():
        assert note != log.notes[1000]
        assert not judge.follows(one, note, OWN.key), what


def test_a_judge_refuses_another_log_s_key(log: Record, judge: JudgeOfCheckpoints):
    one = log.inclusion(700, 1000)
    stranger = keys.local_signer(OWN.key.name, bytes(32)).key
    assert not judge.follows(one, log.notes[1000], stranger)


def test_a_judge_refuses_a_proof_under_another_checkpoint(log: Record, judge: JudgeOfCheckpoints):
    one = log.inclusion(3, 7)
    spoiled = record.wrong_inclusions(one)
    for what in ("another entry", "another hash", "a hash missing", "the index beside it"):
        assert not judge.follows(spoiled[what], log.notes[7], OWN.key), what


def test_go_opens_the_note_by_the_log_s_signature_alone(log: Record, go: Go):
    note = log.notes[257]
    assert go.opens(note, OWN.key) == [record.ORIGIN]
    witness = keys.local_signer("witness.example/w1", bytes(32)).key
    assert go.opens(note, witness) is None
    assert go.opens(note, replace(OWN.key, name="other.example")) is None


def test_go_checks_a_proof_that_lies_in_a_file(log: Record, go: Go):
    one = log.inclusion(700, 1000)
    text = proof.write(Proof(700, tuple(one.proof), log.notes[1000].encode(), b"extra"))
    # Read by the words of C2SP tlog-proof, not by our code.
    head, _, note = text.partition("\n\n")
    name, extra, index, *hashes = head.split("\n")
    assert (name, extra) == ("c2sp.org/tlog-proof@v1", "extra ZXh0cmE=")
    opened = note.split("\n")
    read = replace(
        one,
        index=int(index.removeprefix("index ")),
        size=int(opened[1]),
        root=base64.b64decode(opened[2]),
        proof=[base64.b64decode(line) for line in hashes],
    )
    assert go.follows(read, note, OWN.key)
