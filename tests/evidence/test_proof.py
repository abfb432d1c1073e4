"""Proofs that need no log: one spelling, and true only for their entry, place, tree and signers."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import checkpoint, cosignature, keys, merkle, note, proof
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, Tampered, Unsigned
from evidence.proof import Proof, Witnesses
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE
from tests.evidence.cases import NOW

LOG = "vault.example/2026"
OWN = keys.local_signer(LOG, bytes(range(32)))
OWN_LATER = keys.local_signer(LOG, bytes(range(32)), MLDSA44_COSIGNATURE)
FIRST = keys.local_signer("first.example/w", bytes([1] * 32), ED25519_COSIGNATURE)
FIRST_LATER = keys.local_signer("first.example/w", bytes([2] * 32), MLDSA44_COSIGNATURE)
SECOND = keys.local_signer("second.example/w", bytes([3] * 32), ED25519_COSIGNATURE)
THIRD = keys.local_signer("third.example/w", bytes([4] * 32), MLDSA44_COSIGNATURE)
SIGNERS = (OWN, OWN_LATER, FIRST, FIRST_LATER, SECOND)

ENTRIES = [f"entry {number}".encode() for number in range(11)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
SAID = Checkpoint(LOG, len(LEAVES), merkle.root(LEAVES))
INDEX = 6


async def signed(*signers: keys.LocalSigner, said: Checkpoint = SAID) -> bytes:
    text = checkpoint.write(said)
    return note.join(text, [await cosignature.sign(one, text, NOW) for one in signers]).encode()


async def made(*signers: keys.LocalSigner) -> Proof:
    hashes = tuple(merkle.inclusion_proof(INDEX, LEAVES))
    return Proof(INDEX, hashes, await signed(*(signers or SIGNERS)))


@pytest.fixture
async def whole() -> Proof:
    return await made()


def data_of(one: Proof) -> bytes:
    return proof.write(one).encode()


def witnesses(quorum: int, *signers: keys.LocalSigner) -> Witnesses:
    return Witnesses(tuple(one.key for one in signers), quorum)


async def test_a_proof_shows_its_entry_and_who_vouches_for_it(whole: Proof):
    policy = witnesses(2, FIRST, SECOND, THIRD)
    found = proof.verify(data_of(whole), LEAVES[INDEX], [OWN.key], policy)
    assert (found.index, found.checkpoint, found.signed) == (INDEX, SAID, (OWN.key,))
    assert [one.key for one in found.cosigned] == [FIRST.key, SECOND.key]
    assert {one.time for one in found.cosigned} == {int(NOW.timestamp())}


async def test_the_log_s_later_key_can_be_asked_for(whole: Proof):
    found = proof.verify(data_of(whole), LEAVES[INDEX], [OWN_LATER.key])
    assert found.signed == (OWN_LATER.key,)
    with pytest.raises(Unsigned):
        proof.verify(data_of(await made(OWN)), LEAVES[INDEX], [OWN_LATER.key])


async def test_a_proof_holds_for_its_own_entry_and_place_only(whole: Proof):
    for index, leaf in enumerate(LEAVES):
        if index != INDEX:
            for one, hash_ in ((whole, leaf), (replace(whole, index=index), LEAVES[INDEX])):
                with pytest.raises(Tampered):
                    proof.verify(data_of(one), hash_, [OWN.key])
    for hashes in (whole.hashes[:-1], whole.hashes[::-1], (*whole.hashes, bytes(32)), ()):
        with pytest.raises(Tampered):
            proof.verify(data_of(replace(whole, hashes=hashes)), LEAVES[INDEX], [OWN.key])
    with pytest.raises(Malformed):
        proof.verify(data_of(whole), b"short", [OWN.key])


async def test_a_proof_of_another_tree_is_tampered(whole: Proof):
    for said in (replace(SAID, size=17), replace(SAID, root=bytes(32)), replace(SAID, size=6)):
        other = replace(whole, checkpoint=await signed(*SIGNERS, said=said))
        with pytest.raises(Tampered):
            proof.verify(data_of(other), LEAVES[INDEX], [OWN.key])
    changed = data_of(whole).replace(b"\n11\n", b"\n12\n")
    with pytest.raises(Tampered):
        proof.verify(changed, LEAVES[INDEX], [OWN.key])


async def test_a_checkpoint_that_the_log_did_not_sign_proves_nothing(whole: Proof):
    stranger = keys.local_signer(LOG, bytes([9] * 32))
    elsewhere = keys.local_signer("other.example", bytes(range(32)))
    for known in ([], [stranger.key], [FIRST.key], [elsewhere.key]):
        with pytest.raises(Unsigned):
            proof.verify(data_of(whole), LEAVES[INDEX], known)
    # Signed by a known key, which is not that of this origin.
    other = replace(whole, checkpoint=await signed(elsewhere, FIRST))
    with pytest.raises(Unsigned):
        proof.verify(data_of(other), LEAVES[INDEX], [elsewhere.key])


@pytest.mark.parametrize(
    ("quorum", "asked", "enough"),
    [
        (0, (), True),
        (0, (THIRD,), True),
        (1, (FIRST,), True),
        (1, (THIRD,), False),
        (1, (SECOND, THIRD), True),
        (2, (SECOND, THIRD), False),
        (2, (FIRST, FIRST_LATER, SECOND), True),
        (2, (FIRST, FIRST_LATER, THIRD), False),  # one witness with two keys is one witness
        (1, (OWN_LATER,), False),  # the log does not witness itself
        (2, (OWN_LATER, FIRST), False),
    ],
)
async def test_as_many_witnesses_as_asked_for(
    whole: Proof, quorum: int, asked: tuple[keys.LocalSigner, ...], *, enough: bool
):
    policy = witnesses(quorum, *asked)
    if enough:
        proof.verify(data_of(whole), LEAVES[INDEX], [OWN.key], policy)
    else:
        with pytest.raises(Unsigned):
            proof.verify(data_of(whole), LEAVES[INDEX], [OWN.key], policy)


async def test_a_witness_s_signature_that_does_not_fit_is_tampered(whole: Proof):
    forged = keys.local_signer(FIRST.key.name, bytes([7] * 32), ED25519_COSIGNATURE)
    found = note.parse(await signed(OWN, forged))
    lines = [found.signatures[0], replace(found.signatures[1], key_id=FIRST.key.id)]
    other = replace(whole, checkpoint=note.join(found.text, lines).encode())
    with pytest.raises(Tampered):
        proof.verify(data_of(other), LEAVES[INDEX], [OWN.key], witnesses(0, FIRST))


def test_a_cosignature_without_a_time_is_none_of_a_witness():
    # What a log may write, C2SP tlog-cosignature; a witness must not (tlog-witness).
    text = checkpoint.write(SAID)
    raw = [
        note.Signature(OWN.key.name, OWN.key.id, OWN._private.sign(text.encode())),
        note.Signature(
            FIRST.key.name,
            FIRST.key.id,
            bytes(8) + FIRST._private.sign(f"cosignature/v1\ntime 0\n{text}".encode()),
        ),
    ]
    hashes = tuple(merkle.inclusion_proof(INDEX, LEAVES))
    one = Proof(INDEX, hashes, note.join(text, raw).encode())
    proof.verify(data_of(one), LEAVES[INDEX], [OWN.key], witnesses(0, FIRST))
    with pytest.raises(Unsigned):
        proof.verify(data_of(one), LEAVES[INDEX], [OWN.key], witnesses(1, FIRST))


def test_a_policy_that_would_count_wrong_is_a_bug():
    twin = keys.local_signer("twin.example", bytes([1] * 32), ED25519_COSIGNATURE)
    for quorum, asked in (
        (-1, ()), (1, ()), (2, (FIRST,)), (2, (FIRST, FIRST_LATER)), (1, (FIRST, twin)),
        (1, (FIRST, FIRST)), (0, (OWN,)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"quorum|twice|cosignatures"):
            witnesses(quorum, *asked)


def test_a_proof_looks_as_the_specification_says():
    text = "log\n1\n" + "A" * 43 + "=\n\n\u2014 log AAAAAAA=\n"
    for extra, line in ((None, ""), (b"", "extra \n"), (b"more", "extra bW9yZQ==\n")):
        one = Proof(0, (bytes(32),), text.encode(), extra)
        written = f"c2sp.org/tlog-proof@v1\n{line}index 0\n{'A' * 43}=\n\n{text}"
        assert proof.write(one) == written
        assert proof.read(written.encode()) == one


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(max_size=200),
)
def test_a_proof_round_trips(index: int, hashes: list[bytes], extra: bytes | None):
    text = checkpoint.write(Checkpoint("naïve log", 5, bytes(32)))
    signed_note = note.join(text, [note.Signature("log", b"abcd", b"x")]).encode()
    one = Proof(index, tuple(hashes), signed_note, extra)
    assert proof.read(data_of(one)) == one


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda data: data[1:],
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"\nindex 6", b""),
        lambda data: data.replace(b"index 6", b"index 06"),
        lambda data: data.replace(b"index 6", b"index  6"),
        lambda data: data.replace(b"index 6", b"index +6"),
        lambda data: data.replace(b"index 6", b"index 6 "),
        lambda data: data.replace(b"index 6", b"index"),
        lambda data: data.replace(b"index 6", b"Index 6"),
        lambda data: data.replace(b"index 6", "index \u0666".encode()),
        lambda data: data.replace(b"index 6", b"index 9223372036854775808"),
        lambda data: data.replace(b"index 6", b"index 6\nextra AAAA"),
        lambda data: data.replace(b"index 6", b"extra AA\nindex 6"),
        lambda data: data.replace(b"index 6", b"extra AAB=\nindex 6"),
        lambda data: data.replace(b"index 6", b"extra\nindex 6"),
        lambda data: data.replace(b"index 6", b"extra AAAA\nextra AAAA\nindex 6"),
        lambda data: data.replace(b"index 6", b"extra " + b"AAAA" * 30_000 + b"\nindex 6"),
        lambda data: data.replace(b"index 6\n", b"index 6\n\n"),
        lambda data: data.replace(b"index 6\n", b"index 6\nAAAA\n"),
        lambda data: data.replace(b"index 6\n", b"index 6\n" + (b"A" * 43 + b"=\n") * 64),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"=\n\nvault", b"=\nvault"),
        lambda data: data.replace(b"=\n\nvault", b"=\n\n\nvault"),
        lambda data: data.replace(b"=\n\nvault", b"\n\nvault"),
        lambda data: data.partition(b"\n\n")[0] + b"\n\n",
        lambda data: data.partition(b"\n\n")[0] + b"\n\nhello\n\n\xe2\x80\x94 a AAAAAAA=\n",
        lambda data: data.replace(b"\n11\n", b"\n011\n"),
        lambda data: data + b"\n",
        lambda data: data + b"\xff",
        lambda data: data + b"x" * 300_000,
    ],
)
async def test_a_proof_in_another_spelling_is_malformed(whole: Proof, change):
    data = data_of(whole)
    assert change(data) != data
    with pytest.raises(Malformed):
        proof.read(change(data))


@pytest.mark.parametrize(
    "change",
    [
        {"index": -1}, {"index": 2**63}, {"hashes": (bytes(31),)}, {"hashes": (bytes(32),) * 64},
        {"checkpoint": b""}, {"checkpoint": b"hello\n"}, {"checkpoint": b"\xff"},
        {"extra": bytes(65_537)},
    ],
)  # fmt: skip
async def test_a_proof_that_would_not_read_back_is_not_written(whole: Proof, change: dict):
    with pytest.raises(Malformed):
        proof.write(replace(whole, **change))


async def test_the_first_entry_of_a_log_of_one_is_proved_without_hashes():
    leaf = sha256(b"\x00only").digest()
    one = Proof(0, (), await signed(OWN, said=Checkpoint(LOG, 1, leaf)))
    assert proof.verify(data_of(one), leaf, [OWN.key]).index == 0
