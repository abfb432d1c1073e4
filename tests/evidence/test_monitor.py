"""The monitor finds by itself whatever a log does that it must not."""

import http.server
import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from evidence import canonical, follower, keys, log, merkle, note, proof, receipt, shard, tile, tree
from evidence import entry as entries
from evidence.checkpoint import Checkpoint
from evidence.entry import Entry
from evidence.errors import Malformed
from evidence.monitor import Monitor, Trust
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOG, NEXT = "vault.example/2026", "vault.example/2027"
KINDS = (keys.ED25519, MLDSA44_COSIGNATURE)
RECEIPTS = keys.local_signer("vault.example/receipts", bytes(range(32)))
WITNESS = keys.local_signer("witness.example", bytes(range(1, 33)), ED25519_COSIGNATURE)


def signers(origin: str, seed: bytes = bytes(32)):
    return [keys.local_signer(origin, seed, kind) for kind in KINDS]


TRUST = Trust(
    (*(one.key for one in signers(LOG)), RECEIPTS.key), proof.NO_WITNESSES, timedelta(hours=6)
)


class Published:
    """A log's files in a folder, as whoever owns all keys can make them."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.listing = {"logs": []}

    def put(self, path: str, data: bytes) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    async def publish(self, found: list[bytes], *, origin=LOG, at=NOON, by=None, more=()) -> str:
        """Publish a log with all files of its tree; gives the checkpoint."""
        leaves = [merkle.leaf_hash(one) for one in found]
        for one, data in tree.grow(0, leaves, {}).items():
            self.put(f"{origin}/{one.path}", data)
        for one in tile.new_bundles(0, len(found)):
            data = tile.encode_bundle(found[one.first : one.first + one.width])
            self.put(f"{origin}/{one.path}", data)
        said = Checkpoint(origin, len(found), merkle.root(leaves))
        signed = await log.sign([*(by or signers(origin)), *more], said, at)
        self.put(f"{origin}/checkpoint", signed.encode())
        self.put("index.json", json.dumps(self.listing).encode())
        return signed


@pytest.fixture
def published(tmp_path):
    return Published(tmp_path / "log")


@pytest.fixture
def fetch(published):
    """A real server over the folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self.path = "/index.json"
            super().do_GET()

        def log_message(self, *_: object) -> None:
            return

        def date_time_string(self, timestamp=None) -> str:
            return super().date_time_string(timestamp or NOON.timestamp())

    published.folder.mkdir()
    serving = partial(Handler, directory=str(published.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield follower.over_http(f"http://127.0.0.1:{server.server_address[1]}/")
    server.shutdown()
    thread.join()
    server.server_close()


def entry(number: int, origin: str = LOG, body: bytes = bytes(32)) -> bytes:
    stream = UUID(int=number + (8 << 76) + (2 << 62))
    return entries.encode(Entry(origin, stream, 0, entries.FIRST_PREV, NOON, body, None))


ENTRIES = [entry(number) for number in range(700)]


def words(alarms) -> list[str]:
    return [one.what.partition(":")[0].split()[0] for one in alarms]


async def test_a_log_that_grows_is_quiet_and_remembered(published, fetch, tmp_path):
    for size in (1, 2, 255, 256, 257, 600, 600):
        await published.publish(ENTRIES[:size])
        one = Monitor(tmp_path / "state", TRUST)
        assert one.look(fetch, NOON) == []
        assert one.seen(LOG).size == size
    assert (tmp_path / "state").is_dir()


@pytest.mark.parametrize("size", [300, 301, 512, 700])
async def test_a_second_history_with_the_real_keys_is_a_fork(published, fetch, tmp_path, size):
    """Who owns database, store and keys makes everything anew, and not what others have read."""
    await published.publish(ENTRIES[:300])
    one = Monitor(tmp_path / "state", TRUST)
    assert one.look(fetch, NOON) == []
    await published.publish([*ENTRIES[:7], entry(9999), *ENTRIES[8:size]])
    (alarm,) = one.look(fetch, NOON)
    assert alarm.what.startswith("FORK")
    kept = list((tmp_path / "state" / "misbehaviour").iterdir())
    assert len(kept) == 2
    for path in kept:  # to be shown to anybody: both are signed
        note.verify(path.read_bytes(), TRUST.keys)
    assert one.seen(LOG).size == 300


async def test_what_the_files_do_not_make_is_named(published, fetch, tmp_path):
    await published.publish(ENTRIES[:300])
    one = Monitor(tmp_path / "state", TRUST)
    one.look(fetch, NOON)
    signed = await published.publish(ENTRIES[:400])
    path = tile.Bundle(1, 144).path
    good = (published.folder / LOG / path).read_bytes()
    forged = tile.encode_bundle([*ENTRIES[256:350], entry(77), *ENTRIES[351:400]])
    published.put(f"{LOG}/{path}", forged)
    assert words(one.look(fetch, NOON)) == ["FORK"]
    published.put(f"{LOG}/{path}", good[:-1])
    assert len(one.look(fetch, NOON)) == 1
    (published.folder / LOG / path).unlink()
    assert words(one.look(fetch, NOON)) == ["ABSENT"]
    published.put(f"{LOG}/{path}", good)
    published.put(f"{LOG}/checkpoint", signed.replace("\n400\n", "\n401\n").encode())
    assert "does not fit" in one.look(fetch, NOON)[0].what
    await published.publish(ENTRIES[:400], by=signers(LOG, bytes([7]) * 32))
    assert words(one.look(fetch, NOON)) == ["FORGED"]
    await published.publish(ENTRIES[:400])
    assert one.look(fetch, NOON) == []


async def test_a_tree_that_shrinks_is_named(published, fetch, tmp_path):
    await published.publish(ENTRIES[:300])
    one = Monitor(tmp_path / "state", TRUST)
    one.look(fetch, NOON)
    await published.publish(ENTRIES[:299])
    assert words(one.look(fetch, NOON)) == ["SHRUNK"]


async def test_a_stalled_log_is_named(published, fetch, tmp_path):
    await published.publish(ENTRIES[:3])
    one = Monitor(tmp_path / "state", TRUST)
    assert one.look(fetch, NOON + 5 * HOUR) == []
    assert words(one.look(fetch, NOON + 7 * HOUR)) == ["STALLED", "STALLED"]


async def test_witnesses_that_stay_away_are_missed(published, fetch, tmp_path):
    asked = replace(TRUST, witnesses=proof.Witnesses((WITNESS.key,), 1))
    one = Monitor(tmp_path / "state", asked)
    await published.publish(ENTRIES[:3])
    assert one.look(fetch, NOON) == []  # they have time
    assert "UNWITNESSED" in words(one.look(fetch, NOON + 7 * HOUR))
    await published.publish(ENTRIES[:3], more=[WITNESS])
    assert one.look(fetch, NOON) == []
    await published.publish(ENTRIES[:4])
    assert one.look(fetch, NOON + HOUR) == []


def given(number: int, latest: datetime, origin: str = LOG) -> receipt.Receipt:
    leaf = merkle.leaf_hash(entry(number))
    micros = entries.to_microseconds
    return receipt.Receipt(
        origin, UUID(int=number + (8 << 76) + (2 << 62)), 0, leaf, micros(NOON), micros(latest)
    )


async def signed_receipt(said: receipt.Receipt, by=RECEIPTS) -> bytes:
    text = receipt.write(said)
    return note.assemble(text, by.key, await by.sign(text.encode())).encode()


async def test_a_receipt_whose_entry_is_not_there_in_time_is_named(published, fetch, tmp_path):
    await published.publish(ENTRIES[:300])
    there, late = given(299, NOON), given(301, NOON + HOUR)
    noted = [await signed_receipt(one) for one in (there, late)]
    one = Monitor(tmp_path / "state", TRUST, noted)
    assert one.look(fetch, NOON) == []
    (alarm,) = one.look(fetch, NOON + HOUR + timedelta(seconds=1))
    assert alarm.what.startswith("MISSING")
    assert str(late.stream) in alarm.what
    await published.publish(ENTRIES[:302], at=NOON + HOUR)
    assert one.look(fetch, NOON + 2 * HOUR) == []

    stranger = keys.local_signer("vault.example/receipts", bytes(32))
    for bad in (await signed_receipt(there, stranger), noted[0].replace(b"\n0\n", b"\n1\n"), b"x"):
        assert len(Monitor(tmp_path / "state", TRUST, [bad]).look(fetch, NOON)) == 1


async def _begin_year(published: Published, bound: str) -> None:
    salt, body = bytes(range(32)), {"act": "open_log", "body": {"previous": bound}}
    commitment = entries.commit(salt, canonical.encode(body))
    history = [{"index": 0, "salt": salt.hex(), "body": body}]
    published.listing = {"logs": [{"origin": NEXT, "history": history}]}
    found = [entry(1, NEXT, commitment), entry(2, NEXT)]
    await published.publish(found, origin=NEXT, at=NEW_YEAR)


async def test_a_year_that_does_not_bind_the_last_is_named(published, fetch, tmp_path):
    last = await published.publish(ENTRIES[:300])
    one = Monitor(tmp_path / "state", TRUST)
    assert one.look(fetch, NOON) == []
    await _begin_year(published, last)
    assert one.look(fetch, NOON) == []
    assert one.seen(NEXT).size == 2
    other = Published(tmp_path / "other")
    forged = await other.publish([*ENTRIES[:299], entry(1000)])
    for bound in (forged, await other.publish(ENTRIES[:299]), "", last.replace("300", "301")):
        again = Monitor(tmp_path / f"again {len(bound)} {bound[-9:-2].replace('/', '')}", TRUST)
        await _begin_year(published, bound)
        assert words(again.look(fetch, NOON)) == ["UNBOUND"], bound
    await _begin_year(published, last)
    published.listing["logs"][0]["history"][0]["body"]["body"]["more"] = 1
    published.put("index.json", json.dumps(published.listing).encode())
    again = Monitor(tmp_path / "once more", TRUST)
    assert words(again.look(fetch, NOON)) == ["UNBOUND"]


async def test_a_state_that_was_changed_is_said(published, fetch, tmp_path):
    await published.publish(ENTRIES[:3])
    one = Monitor(tmp_path / "state", TRUST)
    one.look(fetch, NOON)
    (state,) = (tmp_path / "state").glob("*.json")
    whole = state.read_text()
    for changed in ("{", whole.replace('"size": 3', '"size": 2'), whole.replace("2026", "2025")):
        state.write_text(changed)
        with pytest.raises(Malformed):
            one.seen(LOG)
        assert len(one.look(fetch, NOON)) == 1


async def test_the_program_shouts_and_says_it_by_its_exit_code(published, fetch, tmp_path):
    url = fetch.__closure__[0].cell_contents
    now = datetime.now(UTC)
    origin = shard.name("vault.example", now)

    def run(*more: str) -> subprocess.CompletedProcess:
        given_ = [part for one in signers(origin) for part in ("--key", str(one.key))]
        return subprocess.run(
            [
                *(sys.executable, "-m", "evidence", "monitor", url, *given_),
                *("--folder", str(tmp_path / "state"), "--hours", "999999", *more),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    found = [entry(number, origin) for number in range(9)]
    await published.publish(found[:5], origin=origin, at=now)
    assert (run().returncode, run().stderr) == (0, "")
    await published.publish(found[1:9], origin=origin, at=now)
    done = run()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"ALARM {origin}: FORK")
    (published.folder / origin / "checkpoint").unlink()
    assert run().returncode == 3
    assert run("--quorum", "1").returncode == 2
