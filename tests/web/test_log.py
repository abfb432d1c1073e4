"""The public log, as whoever follows it reads it: no session, the names of C2SP tlog-tiles."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from evidence import checkpoint, log, merkle, monitor, note, tile
from evidence import follower as follower_program

JSON = {"accept": "application/json"}


@pytest.fixture
def follower(site, open_browser):
    """Somebody's program, and the listing of the one log once the worker has published it."""
    site.case()
    client = open_browser().client
    deadline = time.monotonic() + 30
    while True:
        logs = client.get("/log/", headers=JSON).json()["logs"]
        if logs and logs[0]["size"]:
            return client, logs[0]
        assert time.monotonic() < deadline, "the worker sequences the log"
        time.sleep(0.1)


def test_a_stranger_rebuilds_the_tree_from_the_files(follower):
    client, listed = follower
    prefix = f"/log/{listed['origin']}"
    answer = client.get(f"{prefix}/checkpoint")
    assert answer.headers["content-type"].startswith("text/plain")
    keys = [note.read_verifier_key(key) for key in listed["verifierKeys"]]
    said, signed = checkpoint.verify(answer.content, keys)
    assert len(signed) == 2
    leaves = []
    for one in tile.bundles(0, said.size, said.size):
        data = client.get(f"{prefix}/{one.path}")
        assert "immutable" in data.headers["cache-control"]
        leaves += [merkle.leaf_hash(entry) for entry in tile.decode_bundle(data.content, one.width)]
    assert merkle.root(leaves) == said.root
    hashes = client.get(f"{prefix}/{tile.Tile(0, 0, said.size % 256).path}").content
    assert hashes == b"".join(leaves[: said.size % 256])


@pytest.mark.parametrize(
    "path",
    ["tile/0/000", "tile/0/000.p/255", "tile/0/0", "tile/9/000.p/1", "tile/%2e%2e/checkpoint", "x"],
)
def test_what_no_checkpoint_covers_is_not_there(follower, path):
    client, listed = follower
    assert client.get(f"/log/{listed['origin']}/{path}").status_code == 404


def test_another_log_is_not_there(follower):
    client, _ = follower
    assert client.get("/log/other.example/2026/checkpoint").status_code == 404


def test_the_page_shows_the_log_to_anybody(follower):
    client, listed = follower
    shown = client.get("/log/", headers={"accept": "text/html"})
    assert shown.status_code == 200
    assert listed["origin"] in shown.text
    assert listed["verifierKeys"][0] in shown.text


def test_a_monitor_follows_the_site_and_finds_every_receipt(follower, site, tmp_path):
    client, listed = follower
    told = client.get("/log/", headers=JSON).json()
    assert told["logs"][0]["history"][0]["body"]["act"] == log.OPEN_LOG
    given = [*listed["verifierKeys"], told["receiptKey"]]
    trust = monitor.read_trust(given, [], None, timedelta(days=36500))
    row = site.value(
        "SELECT r.note FROM vault_receipts r JOIN vault_leaves l USING (stream, seq)"
        " WHERE l.index < :size LIMIT 1",
        size=listed["size"],
    )
    found = monitor.Monitor(tmp_path, trust, [row.note.encode()])
    fetch = follower_program.over_http(f"{site.url}/log/")
    long_after = datetime.now(UTC) + timedelta(days=3650)
    assert found.look(fetch, long_after) == []
    assert found.seen(listed["origin"]).size >= listed["size"]
