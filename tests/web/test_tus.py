"""Uploads by tus 1.0.0: what the protocol says, word by word, and what a lost connection leaves."""

import asyncio
import base64
import socket
import threading
from datetime import timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha1, sha256
from typing import Any

import pytest
from sqlalchemy import text

from evidence.deposit import Declared
from evidence.instalment import PIECE_SIZE
from odr import ids, instalments, signin, tokens
from odr import uploads as odr_uploads
from schema import ids as global_ids
from tests.odr import world
from tests.web.clicking import until
from web import tus

TEXT = b"What happened, in the carrier's own words.\n" * 400
LONG = b"0123456789abcdef" * (3 * PIECE_SIZE // 16 + 5)
SIZE = len(TEXT)
OFFSET = {"content-type": "application/offset+octet-stream"}


def metadata(**told: str):
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items()
    )


class Tus:
    """A client that says the protocol's words, each as a test wants it."""

    def __init__(self, site, browser) -> None:
        self.site, self.browser = site, browser
        self.headers = {"tus-resumable": "1.0.0", "x-csrf-token": browser.token()}

    def ask(self, method, path=tus.PATH, content=b"", **headers: Any):
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {k: v for k, v in (self.headers | told).items() if v is not None}
        return self.browser.client.request(method, path, content=content, headers=given)

    def create(self, size=SIZE, *, content=b"", told=None, **headers: Any):
        said = metadata(**{"filename": "words.txt", "filetype": "text/plain"} | (told or {}))
        given = {"upload_length": str(size), "upload_metadata": said} | headers
        return self.ask("POST", content=content, **given)

    def begun(self, size=SIZE, **chosen: Any):
        answer = self.create(size, **chosen)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def patch(self, path, start, content, **headers: Any):
        given = {"upload_offset": str(start)} | OFFSET | headers
        return self.ask("PATCH", path, content, **given)

    def offset(self, path):
        return int(self.ask("HEAD", path).headers["upload-offset"])

    def whole(self, content=TEXT, **chosen: Any):
        """The path of an upload that is whole, and the id of what it became."""
        path = self.begun(len(content), **chosen)
        answer = self.patch(path, 0, content)
        assert answer.status_code == 204, answer.text
        return path, answer.headers["x-upload-id"]


@pytest.fixture
def client(site, open_browser):
    """Somebody of this test's own, who owns nothing yet."""

    async def make():
        async with site.parts.engine.begin() as conn:
            return await world._Maker(conn, await world.now(conn)).account("uploader")

    return Tus(site, open_browser(site.run(make())))


@pytest.fixture
def other(site, open_browser):
    return Tus(site, open_browser("seller"))


def stored(site, upload):
    """The bytes that the vault keeps of an upload."""

    async def read():
        key = global_ids.key(upload, "up")
        async with site.parts.engine.connect() as conn:
            asked = text("SELECT blob_id FROM uploads WHERE id = :id")
            blob_id = (await conn.execute(asked, {"id": key})).scalar_one()
            blob = await site.parts.vault.find_blob(conn, blob_id)
        return b"".join([piece async for piece in site.parts.vault.open_blob(blob)])

    return site.run(read())


def parts(site, path):
    """The keys of the objects that the store has of a partial upload."""
    partial = global_ids.key(path.rpartition("/")[2], "pu")

    async def listed():
        found = [one.key async for one in site.parts.store.keys("parts/")]
        return [key for key in found if str(partial) in key]

    return site.run(listed())


def test_what_is_spoken_is_told_to_anybody(stranger):
    answer = stranger.client.request("OPTIONS", tus.PATH)
    assert answer.status_code == 204
    assert answer.headers["tus-resumable"] == answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {
        *("creation", "creation-with-upload", "termination", "expiration", "checksum")
    }
    assert int(answer.headers["tus-max-size"]) == 50 * 2**20
    assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256"


def test_a_file_comes_in_two_parts_and_is_what_was_sent(site, client):
    path = client.begun()
    assert client.offset(path) == 0
    answer = client.patch(path, 0, TEXT[:1000])
    assert answer.status_code == 204
    assert answer.headers["upload-offset"] == "1000"
    assert "x-upload-id" not in answer.headers
    told = client.ask("HEAD", path)
    assert told.status_code == 200
    assert told.headers["cache-control"] == "no-store"
    assert (told.headers["upload-offset"], told.headers["upload-length"]) == (
        *("1000", str(len(TEXT))),
    )
    assert "filename d29yZHMudHh0" in told.headers["upload-metadata"]
    assert client.ask("GET", path).status_code == 202
    done = client.patch(path, 1000, TEXT[1000:])
    assert (done.status_code, done.headers["upload-offset"]) == (204, str(len(TEXT)))
    upload = done.headers["x-upload-id"]
    assert stored(site, upload) == TEXT
    assert client.ask("HEAD", path).headers["x-upload-id"] == upload
    answer = client.ask("GET", path, tus_resumable=None)
    assert (answer.status_code, answer.json()) == (200, {"id": upload})
    row = site.value("SELECT filename FROM uploads WHERE id = :id", id=global_ids.key(upload, "up"))
    assert row.filename == "words.txt"
    assert parts(site, path) == []


def test_an_upload_by_tus_is_what_one_by_put_is(site, client):
    by_put = client.browser.client.put(
        "/uploads",
        content=TEXT,
        headers={"content-type": "text/plain", "x-filename": "words.txt"} | client.headers,
    ).json()["id"]
    _, by_tus = client.whole()
    shape = (
        "SELECT u.filename, u.account_id, u.used_at, b.state, b.size, b.sha256, i.state AS looked"
        " FROM uploads u JOIN vault_blobs b ON b.id = u.blob_id"
        " JOIN vault_inspections i ON i.blob = b.id WHERE u.id = :id"
    )
    rows = [site.value(shape, id=global_ids.key(each, "up")) for each in (by_put, by_tus)]
    assert rows[0] == rows[1]


def test_nothing_lies_anywhere_in_clear_while_it_comes(site, client):
    secret = b"a very secret word " * 5000
    path = client.begun(len(secret) * 2)
    client.patch(path, 0, secret)
    assert len(parts(site, path)) == 1
    folder = site.parts.settings.folder
    for file in folder.rglob("*"):
        if file.is_file():
            assert b"very secret word" not in file.read_bytes()


def test_bytes_may_come_with_the_creation(site, client):
    answer = client.create(content=TEXT[:500], **OFFSET)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "500")
    path = answer.headers["location"]
    assert client.patch(path, 500, TEXT[500:]).status_code == 204
    whole = client.create(content=TEXT, **OFFSET)
    assert whole.headers["upload-offset"] == str(len(TEXT))
    assert stored(site, whole.headers["x-upload-id"]) == TEXT


def test_a_long_file_comes_in_pieces_of_any_size(site, client):
    path = client.begun(len(LONG))
    at = 0
    for size in (PIECE_SIZE - 1, 1, 2 * PIECE_SIZE + 7, len(LONG)):
        answer = client.patch(path, at, LONG[at : at + size])
        at = min(len(LONG), at + size)
        assert answer.headers["upload-offset"] == str(at)
    assert stored(site, answer.headers["x-upload-id"]) == LONG


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1", "x"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_another_version_of_the_protocol_is_not_spoken(client, method, version):
    path = client.begun()
    here = tus.PATH if method == "POST" else path
    answer = client.ask(method, here, tus_resumable=version)
    assert answer.status_code == 412
    assert answer.headers["tus-version"] == "1.0.0"
    assert client.offset(path) == 0


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"upload_length": None}, 400),
        ({"upload_length": "-1"}, 400),
        ({"upload_length": "1e3"}, 400),
        ({"upload_length": "0100"}, 400),
        ({"upload_length": "\u0661".encode()}, 400),
        ({"upload_length": "0"}, 422),
        ({"upload_length": str(50 * 2**20 + 1)}, 413),
        ({"upload_length": str(11 * 2**20)}, 413),  # above what a text may have
        ({"upload_length": None, "upload_defer_length": "1"}, 400),
        ({"upload_metadata": "filename"}, 422),  # a name and no type
        ({"upload_metadata": "filename !!"}, 400),
        ({"upload_metadata": "filename /w=="}, 400),
        ({"upload_metadata": "a YQ==,a YQ=="}, 400),
        ({"upload_metadata": ",,"}, 400),
        ({"upload_metadata": "a " + "A" * 4000}, 400),
        ({"upload_metadata": metadata(filetype="image/gif")}, 422),
        ({"upload_metadata": metadata(filetype="text/plain", sha256="ab")}, 400),
        ({"x_csrf_token": None}, 403),
        ({"x_csrf_token": "x"}, 403),
        ({"origin": "https://elsewhere.example"}, 403),
    ],
)
def test_what_is_not_right_begins_nothing(site, client, changed, status):
    before = site.value("SELECT count(*) AS n FROM partial_uploads").n
    answer = client.create(**changed)
    assert answer.status_code == status, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert answer.json()["error"]["message"]
    assert site.value("SELECT count(*) AS n FROM partial_uploads").n == before


@pytest.mark.parametrize(
    ("start", "content", "changed", "status"),
    [
        (1, TEXT[1:], {}, 409),
        (0, TEXT + b"x", {}, 413),
        (0, TEXT, {"upload_offset": None}, 400),
        (0, TEXT, {"upload_offset": "-0"}, 400),
        (0, TEXT, {"content-type": "text/plain"}, 415),
        (0, TEXT, {"content-type": None}, 415),
        (0, TEXT, {"x_csrf_token": None}, 403),
        (0, TEXT, {"upload_checksum": "md5 YQ=="}, 400),
        (0, TEXT, {"upload_checksum": "sha256 !"}, 400),
        (0, TEXT, {"upload_checksum": "sha256 YQ=="}, 460),
    ],
)
def test_bytes_that_do_not_fit_are_refused_and_not_kept(
    site, client, start, content, changed, status
):
    path = client.begun()
    answer = client.patch(path, start, content, **changed)
    assert answer.status_code == status, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert client.offset(path) == 0
    assert parts(site, path) == []
    assert client.patch(path, 0, TEXT).status_code == 204


def test_bytes_beyond_the_length_are_refused_when_none_was_told(client):
    path = client.begun()

    def pieces():
        yield TEXT
        yield b"x"

    answer = client.patch(path, 0, pieces())
    assert answer.status_code == 413
    assert client.offset(path) < len(TEXT)


@pytest.mark.parametrize(("name", "digest"), [("sha256", sha256), ("sha1", sha1)])
def test_what_a_checksum_covers_is_kept_as_a_whole_or_not_at_all(site, client, name, digest):
    path = client.begun(len(LONG))
    sent = LONG[: 2 * PIECE_SIZE + 9]
    good = base64.b64encode(digest(sent).digest()).decode()
    spoilt = sent[:-1] + b"x"
    answer = client.patch(path, 0, spoilt, upload_checksum=f"{name} {good}")
    assert (answer.status_code, client.offset(path), parts(site, path)) == (460, 0, [])
    answer = client.patch(path, 0, sent, upload_checksum=f"{name} {good}")
    assert (answer.status_code, client.offset(path)) == (204, len(sent))
    done = client.patch(path, len(sent), LONG[len(sent) :])
    assert stored(site, done.headers["x-upload-id"]) == LONG


def test_the_digest_of_the_whole_file_is_checked_at_its_end(site, client):
    right = sha256(TEXT).hexdigest()
    _, upload = client.whole(told={"sha256": right})
    assert stored(site, upload) == TEXT
    path = client.begun(told={"sha256": "00" * 32})
    answer = client.patch(path, 0, TEXT)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["rule"], error["path"]) == (
        *("INVALID", "disagrees", ["file", "sha256"]),
    )
    assert error["said"]
    again = client.ask("GET", path)
    assert (again.status_code, again.json()["error"]["facts"]) == (422, error["facts"])
    assert client.patch(path, len(TEXT), b"").status_code == 422
    assert parts(site, path) == []


def test_a_file_that_lies_or_harms_is_refused_as_put_refuses_it(site, client):
    macro = b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(1)>>>>endobj\n%%EOF\n"
    for content, kind in ((TEXT, "image/png"), (macro, "application/pdf")):
        by_put = client.browser.client.put(
            "/uploads", content=content, headers={"content-type": kind} | client.headers
        )
        path = client.begun(len(content), told={"filetype": kind})
        answer = client.patch(path, 0, content)
        assert (answer.status_code, by_put.status_code) == (422, 422)
        by_tus = answer.json()["error"]
        assert {**by_tus, "said": 0} == {**by_put.json()["error"], "said": 0}
        assert parts(site, path) == []


def test_somebody_else_s_upload_is_not_there(client, other):
    path = client.begun()
    for answer in (
        other.ask("HEAD", path),
        other.ask("GET", path),
        other.patch(path, 0, TEXT),
        other.ask("DELETE", path),
        other.ask("HEAD", f"{tus.PATH}/pu{'0' * 32}"),
        other.ask("HEAD", f"{tus.PATH}/nonsense"),
    ):
        assert answer.status_code == 404
    assert client.offset(path) == 0


def test_a_stranger_uploads_nothing(client, stranger):
    path = client.begun()
    nobody = Tus(client.site, stranger)
    for answer in (nobody.create(), nobody.ask("HEAD", path), nobody.patch(path, 0, TEXT)):
        assert answer.status_code == 401
        assert answer.headers["tus-resumable"] == "1.0.0"


def test_a_program_uploads_by_its_token_if_it_may_act(site, open_browser):
    async def token(scope):
        async with site.parts.office.work(site.people.seller, ids.new(site.people.at)) as work:
            made = await tokens.create(work, site.people.seller_id, name=scope, scopes=[scope])
        return f"Bearer {made.token}"

    program = Tus(site, open_browser())
    program.headers = {"tus-resumable": "1.0.0", "authorization": site.run(token("act"))}
    _, upload = program.whole()
    assert stored(site, upload) == TEXT
    program.headers["authorization"] = site.run(token("read"))
    assert program.create().status_code == 404


def test_what_is_taken_back_is_gone(site, client):
    path = client.begun()
    client.patch(path, 0, TEXT[:100])
    assert client.ask("DELETE", path).status_code == 204
    assert parts(site, path) == []
    for answer in (client.ask("HEAD", path), client.patch(path, 100, TEXT[100:])):
        assert answer.status_code == 404
    path, upload = client.whole()
    assert client.ask("DELETE", path).status_code == 204
    key = global_ids.key(upload, "up")
    assert site.value("SELECT 1 FROM uploads WHERE id = :id", id=key) is None


def test_a_method_may_be_named_in_a_header(client):
    path = client.begun()
    answer = client.ask("POST", path, x_http_method_override="HEAD")
    assert answer.headers["upload-offset"] == "0"
    given = {"upload_offset": "0", "x_http_method_override": "PATCH"}
    assert client.ask("POST", path, TEXT, **given, **OFFSET).status_code == 204
    assert client.ask("POST", path).status_code == 405


def test_what_is_not_whole_in_time_is_gone_and_swept(site, client):
    path = client.begun()
    client.patch(path, 0, TEXT[:100])
    expires = parsedate_to_datetime(client.ask("HEAD", path).headers["upload-expires"])
    now = site.value("SELECT service_now() AS now").now
    assert timedelta(hours=23) < expires - now <= timedelta(hours=24)
    partial = {"id": global_ids.key(path.rpartition("/")[2], "pu")}
    grow_old(site, partial["id"], timedelta(hours=25))
    for answer in (client.ask("HEAD", path), client.patch(path, 100, TEXT[100:])):
        assert answer.status_code == 410
    assert parts(site, path)
    site.run(instalments.sweep(site.parts.office))
    assert parts(site, path) == []
    row = site.value("SELECT wrapped_key, cleared FROM partial_uploads WHERE id = :id", **partial)
    assert (row.wrapped_key, row.cleared) == (None, True)
    assert client.ask("HEAD", path).status_code == 410
    grow_old(site, partial["id"], timedelta(days=8))
    site.run(instalments.sweep(site.parts.office))
    assert client.ask("HEAD", path).status_code == 404


def grow_old(site, partial, age):
    async def grow():
        async with site.parts.engine.begin() as conn:
            older = text(
                "UPDATE partial_uploads SET expires_at = expires_at - CAST(:age AS interval)"
                " WHERE id = :id"
            )
            await conn.execute(older, {"id": partial, "age": age})

    site.run(grow())


def test_a_sweep_takes_what_a_crash_left(site, client):
    """Between the upload and its pieces' end, and between a piece and its row."""
    path, _ = client.whole()
    partial = global_ids.key(path.rpartition("/")[2], "pu")

    async def leave():
        key = f"parts/{partial.hex[-2:]}/{partial}.0-0123456789abcdef"
        await site.parts.store.replace(key, b"left")
        async with site.parts.engine.begin() as conn:
            crashed = text("UPDATE partial_uploads SET cleared = false WHERE id = :id")
            await conn.execute(crashed, {"id": partial})

    site.run(leave())
    assert len(parts(site, path)) == 1
    site.run(instalments.sweep(site.parts.office))
    assert parts(site, path) == []


def test_how_many_may_come_at_once_is_told_and_held(client):
    told = client.ask("GET", "/uploads/limits").json()["partial"]
    asked = "{ uploadLimits { partialMax partialHours unusedMax } }"
    answer = client.browser.client.post("/graphql", json={"query": asked}).json()
    limits = answer["data"]["uploadLimits"]
    assert told == {"max": limits["partialMax"], "hours": limits["partialHours"]}
    assert limits["partialMax"] == odr_uploads.PARTIAL_MAX
    begun = [client.begun() for _ in range(odr_uploads.PARTIAL_MAX)]
    refused = client.create()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "TOO_MUCH")
    assert client.patch(begun[0], 0, TEXT).status_code == 204
    assert client.ask("DELETE", begun[1]).status_code == 204
    assert [client.create().status_code for _ in range(3)] == [201, 201, 429]


# What a wire may do.


def raw(client, path, start, content, length=None):
    """A request whose body is sent by hand."""
    host = client.site.url.removeprefix("http://")
    wire = socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])))
    session_cookie = client.browser.client.cookies["concord_session"]
    head = (
        f"PATCH {path} HTTP/1.1\r\nhost: {host}\r\ntus-resumable: 1.0.0\r\n"
        f"cookie: concord_session={session_cookie}\r\n"
        f"x-csrf-token: {client.headers['x-csrf-token']}\r\nupload-offset: {start}\r\n"
        f"content-type: application/offset+octet-stream\r\n"
        f"content-length: {len(content) if length is None else length}\r\n\r\n"
    )
    wire.sendall(head.encode() + content)
    return wire


def status(wire):
    with wire:
        wire.settimeout(30)
        return int(wire.recv(4096).split()[1])


def test_what_came_before_a_connection_was_cut_is_kept(site, client):
    path = client.begun(len(LONG))
    sent = LONG[: PIECE_SIZE + 100_000]
    with raw(client, path, 0, sent, len(LONG)):
        until(lambda: client.offset(path) >= PIECE_SIZE)
    until(lambda: client.offset(path) > PIECE_SIZE)
    at = client.offset(path)
    assert at <= len(sent)
    done = client.patch(path, at, LONG[at:])
    assert stored(site, done.headers["x-upload-id"]) == LONG


def test_what_came_before_a_cut_is_not_kept_where_its_checksum_is_not_known(site, client):
    path = client.begun(len(LONG))
    for cut in (1000, PIECE_SIZE + 1000):
        answer = client.patch(path, 0, LONG[:cut], upload_checksum="sha256 " + "A" * 43 + "=")
        assert answer.status_code == 460
    assert (client.offset(path), parts(site, path)) == (0, [])


def test_of_two_at_once_one_is_taken_and_nothing_is_mixed(site, client):
    """The one who began last goes on: who lost a connection waits for nobody."""
    path = client.begun(len(LONG))
    early = raw(client, path, 0, b"x" * 1000, len(LONG))
    until(lambda: site.value(WRITER, id=global_ids.key(path.rpartition("/")[2], "pu")).writer)
    late = client.patch(path, 0, LONG)
    assert late.status_code == 204
    early.sendall(b"x" * (len(LONG) - 1000))
    assert status(early) == 409
    assert stored(site, late.headers["x-upload-id"]) == LONG


WRITER = "SELECT writer FROM partial_uploads WHERE id = :id"


def test_of_many_at_once_each_byte_is_one_sender_s(site, client):
    size = 3 * PIECE_SIZE
    path = client.begun(size)
    answers = []
    senders = [
        threading.Thread(
            target=lambda letter: answers.append(status(raw(client, path, 0, letter * size))),
            args=(letter,),
        )
        for letter in (b"a", b"b", b"c", b"d")
    ]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert set(answers) <= {204, 409}
    at = client.offset(path)
    if at < size:
        done = client.patch(path, at, b"e" * (size - at))
        assert done.status_code == 204
    upload = client.ask("HEAD", path).headers["x-upload-id"]
    found = stored(site, upload)
    pieces = {found[at : at + PIECE_SIZE] for at in range(0, size, PIECE_SIZE)}
    assert len(found) == size
    assert all(len(set(piece)) == 1 for piece in pieces)


def test_finished_twice_at_once_it_is_one_upload(site, client):
    path = client.begun(len(TEXT))
    client.patch(path, 0, TEXT[:-1])
    partial = global_ids.key(path.rpartition("/")[2], "pu")
    viewer = site.run(viewer_of(site, client))

    async def both():
        async def last():
            yield TEXT[-1:]

        async def all_of_it():
            yield TEXT

        office = site.parts.office
        await instalments.add(office, viewer, partial, len(TEXT) - 1, last())
        # As finishers do whose leases are over while they still work.
        declared = Declared(size=len(TEXT), media_type="text/plain")
        deposits = [
            odr_uploads.deposit(office, viewer, all_of_it(), declared, "x", partial=partial)
            for _ in range(3)
        ]
        found = await asyncio.gather(*deposits, return_exceptions=True)
        return found, await instalments.finish(office, viewer, partial)

    found, upload = site.run(both())
    assert sorted(type(each).__name__ for each in found) == ["Stale", "Stale", "UUID"]
    assert upload in found
    mine = "SELECT count(*) AS n FROM uploads WHERE account_id = :id"
    assert site.value(mine, id=viewer.account_id).n == 1


async def viewer_of(site, client):
    cookie = client.browser.client.cookies["concord_session"]
    async with site.parts.engine.connect() as conn:
        return (await signin.session(conn, cookie)).viewer


def test_a_store_that_is_away_loses_nothing(site, client):
    path = client.begun(len(TEXT))
    client.patch(path, 0, TEXT[:1000])
    objects = site.parts.store._objects
    away = objects.with_name("away")
    objects.rename(away)
    try:
        answer = client.patch(path, 1000, TEXT[1000:])
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    finally:
        away.rename(objects)
    assert client.offset(path) == 1000
    done = client.patch(path, 1000, TEXT[1000:])
    assert stored(site, done.headers["x-upload-id"]) == TEXT
