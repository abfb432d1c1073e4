"""What we prove, others' code accepts; what was tampered with, it refuses."""

import pymerkle
import pytest

from evidence import merkle
from tests.evidence.judges import record
from tests.evidence.judges.judge import Go, Scitt
from tests.evidence.judges.record import Record


@pytest.mark.parametrize("name", ["go", "sigstore", "scitt"])
def test_a_judge_accepts_our_inclusion_proofs(
    log: Record, name: str, request: pytest.FixtureRequest
):
    judge = request.getfixturevalue(name)
    for one in record.inclusions(log):
        assert judge.includes(one), (one.index, one.size)


@pytest.mark.parametrize("name", ["go", "sigstore", "scitt"])
def test_a_judge_refuses_inclusion_proofs_that_were_tampered_with(
    log: Record, name: str, request: pytest.FixtureRequest
):
    judge = request.getfixturevalue(name)
    for index, size in ((0, 2), (3, 7), (6, 7), (255, 256), (255, 257), (65_000, 66_000)):
        for what, one in record.wrong_inclusions(log.inclusion(index, size)).items():
            assert not judge.includes(one), (what, index, size)


@pytest.mark.parametrize("name", ["go", "scitt"])
def test_a_judge_accepts_our_consistency_proofs(
    log: Record, name: str, request: pytest.FixtureRequest
):
    judge: Go | Scitt = request.getfixturevalue(name)
    for one in record.consistencies(log):
        assert judge.extends(one), (one.first, one.second)


@pytest.mark.parametrize("name", ["go", "scitt"])
def test_a_judge_refuses_consistency_proofs_that_were_tampered_with(
    log: Record, name: str, request: pytest.FixtureRequest
):
    judge: Go | Scitt = request.getfixturevalue(name)
    for first, second in ((1, 2), (3, 7), (7, 8), (256, 257), (1000, 66_000), (65_537, 66_000)):
        for what, one in record.wrong_consistencies(log.consistency(first, second)).items():
            assert not judge.extends(one), (what, first, second)


def test_pymerkle_finds_the_same_roots_and_proofs(log: Record):
    theirs = pymerkle.InmemoryTree()
    for index in range(1000):
        theirs.append_entry(record.entry(index))
    for size in (size for size in record.SIZES if size <= 1000):
        assert theirs.get_root(size) == log.root(size)
        for index in {0, size // 2, size - 1}:
            path = theirs.prove_inclusion(index + 1, size).path
            assert path[0] == merkle.leaf_hash(record.entry(index))
            ours = log.inclusion(index, size)
            # pymerkle lists a path from left to right, with the leaf in it.
            assert sorted(path[1:]) == sorted(ours.proof)
    assert theirs.get_root(999) != log.root(1000)
