"""A witness cosigns what follows, and refuses a log that forks, whatever it is sent."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from evidence import checkpoint, cosignature, keys, log, merkle, note, witness
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, VaultError
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE
from evidence.witness import Request, Seen, Witness

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOG = "vault.example/2026"
LOG_KEY = keys.local_signer(LOG, bytes(32))
SIGNERS = [
    keys.local_signer("witness.example", bytes(range(32)), kind)
    for kind in (ED25519_COSIGNATURE, MLDSA44_COSIGNATURE)
]
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(20)]
OTHER = [*LEAVES[:5], *(merkle.leaf_hash(b"other") for _ in range(15))]


@pytest.fixture
def one(tmp_path) -> Witness:
    return Witness(tmp_path / "witness", SIGNERS, {LOG: [LOG_KEY.key]})


async def signed(size: int, leaves=LEAVES, *, origin: str = LOG, signer=LOG_KEY) -> bytes:
    said = Checkpoint(origin, size, merkle.root(leaves[:size]))
    return (await log.sign([signer], said, NOON)).encode()


async def request(old: int, new: int, leaves=LEAVES, origin: str = LOG, signer=LOG_KEY) -> bytes:
    proof = merkle.consistency_proof(old, leaves[:new]) if 0 < old <= new else []
    checked = await signed(new, leaves, origin=origin, signer=signer)
    return witness.write(Request(old, tuple(proof), checked))


async def ask(one: Witness, old: int, new: int, leaves=LEAVES, origin: str = LOG, signer=LOG_KEY):
    return await one.add_checkpoint(await request(old, new, leaves, origin, signer), NOON)


async def test_it_cosigns_a_log_that_grows(one):
    old = 0
    for new in (1, 4, 5, 12, 20):
        answer = await ask(one, old, new)
        assert answer.status == 200
        whole = await signed(new) + answer.body.encode()
        _, cosigned = cosignature.verify(whole, one.keys)
        assert {each.key.kind for each in cosigned} == {ED25519_COSIGNATURE, MLDSA44_COSIGNATURE}
        assert {each.time for each in cosigned} == {int(NOON.timestamp())}
        checkpoint.verify(whole, [LOG_KEY.key])
        assert one.seen(LOG).size == new
        old = new


async def test_the_same_checkpoint_again_is_cosigned_again(one):
    await ask(one, 0, 7)
    assert (await ask(one, 7, 7)).status == 200
    assert one.seen(LOG).size == 7


async def test_who_does_not_know_where_it_stands_is_told(one):
    await ask(one, 0, 7)
    for old in (0, 3, 9):
        answer = await ask(one, old, 12)
        assert (answer.status, answer.body, answer.media_type) == (409, "7\n", "text/x.tlog.size")
    assert (await ask(one, 7, 12)).status == 200


async def test_a_fork_is_refused_and_kept_as_proof(one, tmp_path):
    await ask(one, 0, 8)
    forked = await ask(one, 8, 12, OTHER)
    assert forked.status == 422
    same = await one.add_checkpoint(witness.write(Request(8, (), await signed(8, OTHER))), NOON)
    assert same.status == 409
    assert one.seen(LOG) == Seen(8, merkle.root(LEAVES[:8]))
    kept = list((tmp_path / "witness" / "misbehaviour").iterdir())
    assert len(kept) == 2
    assert all(witness.read(path.read_bytes()).old == 8 for path in kept)
    assert (await ask(one, 8, 12)).status == 200


async def test_an_older_tree_is_not_cosigned(one):
    await ask(one, 0, 8)
    assert (await ask(one, 8, 5)).status == 400
    assert (await ask(one, 3, 5)).status == 409
    assert one.seen(LOG).size == 8


async def test_a_first_request_with_a_proof_is_refused(one):
    body = witness.write(Request(0, (bytes(32),), await signed(3)))
    assert (await one.add_checkpoint(body, NOON)).status == 422
    assert one.seen(LOG) == Seen()


async def test_what_the_log_did_not_sign_is_refused(one):
    stranger = keys.local_signer(LOG, bytes(range(1, 33)))
    assert (await ask(one, 0, 3, signer=stranger)).status == 403
    broken = (await request(0, 3)).replace(b"\n3\n", b"\n4\n")
    assert (await one.add_checkpoint(broken, NOON)).status == 403
    other = keys.local_signer("other.example/2026", bytes(32))
    answer = await ask(one, 0, 3, origin="other.example/2026", signer=other)
    assert answer.status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 00\n\n",
        b"old +1\n\n",
        b"new 0\n\n",
        b"old 0\n!!\n\n",
        b"old 0\nAAAA\n\n",
        b"old 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n",
        b"old 0\n\nno checkpoint\n",
        b"\xff\n\n",
    ],
)
async def test_another_spelling_is_a_bad_request(one, body):
    assert (await one.add_checkpoint(body, NOON)).status == 400


async def test_a_request_reads_back():
    body = await request(5, 12)
    assert witness.write(witness.read(body)) == body


async def test_what_was_cosigned_is_known_after_a_restart(one, tmp_path):
    await ask(one, 0, 8)
    again = Witness(tmp_path / "witness", SIGNERS, {LOG: [LOG_KEY.key]})
    assert again.seen(LOG) == Seen(8, merkle.root(LEAVES[:8]))
    (state,) = (tmp_path / "witness").glob("*.json")
    state.write_text("{}")
    with pytest.raises(Malformed):
        again.seen(LOG)


async def test_of_two_at_once_none_is_rolled_back(one):
    await ask(one, 0, 5)
    answers = await asyncio.gather(
        *(asyncio.to_thread(asyncio.run, ask(one, 5, new)) for new in range(6, 20))
    )
    cosigned = [answer for answer in answers if answer.status == 200]
    assert len(cosigned) == 1
    assert {answer.status for answer in answers} == {200, 409}


def test_one_process_at_a_time_works_in_a_folder(tmp_path):
    refused = pytest.raises(VaultError, match="another witness")
    with witness.alone(tmp_path), refused, witness.alone(tmp_path):
        pass
    with witness.alone(tmp_path):
        pass


# --- the program ---------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path):
    """The running program: its address, its verifier keys, and a way to kill and start it."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame, please\n")
    started = []

    def start():
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "evidence", "witness", "--port", "0"),
                *("--folder", str(tmp_path / "state"), "--name", "witness.example"),
                *("--passphrase", str(passphrase), "--log", str(LOG_KEY.key)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        url = process.stdout.readline().strip()
        found = [note.read_verifier_key(process.stdout.readline().strip()) for _ in range(2)]
        return process, url, found

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def post(url: str, body: bytes) -> tuple[int, str]:
    answer = httpx.post(url, content=body, timeout=10, trust_env=False)
    return answer.status_code, answer.text


def test_the_program_cosigns_and_remembers_when_it_was_killed(program):
    process, url, found = program()
    status, lines = post(url, asyncio.run(request(0, 5)))
    assert status == 200
    _, cosigned = cosignature.verify(asyncio.run(signed(5)) + lines.encode(), found)
    assert len(cosigned) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    _, url, again = program()
    assert again == found
    assert post(url, asyncio.run(request(0, 9))) == (409, "5\n")
    assert post(url, asyncio.run(request(5, 9)))[0] == 200
    assert post(url, asyncio.run(request(9, 12, OTHER)))[0] == 422
    assert post(url.replace("add-checkpoint", "x"), b"")[0] == 404
    assert post(url, b"x" * (witness.REQUEST_MAX + 1))[0] == 413
    told = httpx.get(url.removesuffix("add-checkpoint"), timeout=10, trust_env=False).text
    assert told.split() == [str(key) for key in found]
