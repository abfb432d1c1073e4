"""Bad input through the real API over HTTP: a clear refusal or a retry, and nothing half done."""

import hashlib
from base64 import b64encode

import pytest

from evidence import media
from tests.journeys import hall as halls
from tests.journeys.hall import put
from web import reading

NOTE = b"The parcel was open when it came.\n"


@pytest.fixture
async def hall(database, tmp_path):
    async with halls.opened(database, tmp_path) as opened:
        yield opened


async def test_somebody_elses_case_looks_like_none_to_the_byte(hall):
    case = await hall.file()
    absent = case["id"][:-4] + ("0000" if case["id"][-4:] != "0000" else "1111")
    stranger = await hall.person("stranger")
    for act, given in (
        ("acts/withdraw", {}),
        ("acts/contest", {"statement": "No."}),
        ("acts/send_message", {"body": "Hello."}),
        ("acts/withdraw", {"expectedVersion": 99}),
    ):
        answers = []
        for case_id in (case["id"], absent):
            asked = {"caseId": case_id, "idempotencyKey": "same", **given}
            answers.append(
                await stranger.client.post(
                    "/graphql",
                    json={"query": reading.document(act), "variables": {"input": asked}},
                )
            )
        theirs, none = answers
        assert theirs.content == none.content
        assert dict(theirs.headers) | {"date": ""} == dict(none.headers) | {"date": ""}
    for number in (case["number"], "C-2026-99999999"):
        assert await stranger.read("case", number=number) == {"case": None}
    pages = [await stranger.client.get(f"/cases/{each}") for each in (case["number"], "C-2026-9")]
    assert pages[0].status_code == pages[1].status_code == 404


# What files are refused for.


def digest(content: bytes) -> str:
    return f"sha-256=:{b64encode(hashlib.sha256(content).digest()).decode()}:"


# content, headers, code, rule, path
FILES = (
    (b"", {}, "INVALID", "empty", ["file"]),
    (NOTE, {"repr_digest": digest(b"other")}, "INVALID", "disagrees", ["file", "sha256"]),
    (NOTE, {"content_type": "image/png"}, "INVALID", "disagrees", ["file", "mediaType"]),
    (b"\0\1", {}, "INVALID", "disagrees", ["file", "mediaType"]),
    (NOTE, {"content_type": "text/html"}, "INVALID", "not_allowed", ["file", "mediaType"]),
    (b"a" * (media.SIZE_MAX["text/plain"] + 1), {}, "TOO_MUCH", None, []),
)


async def test_a_file_that_is_refused_leaves_nothing(hall):
    buyer = await hall.person("buyer")
    before = await hall.counts()
    for content, headers, code, rule, path in FILES:
        answer = await put(buyer, content, **headers)
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert (error["code"], error["rule"], error["path"]) == (code, rule, path)
        assert await hall.counts() == before
    assert (await put(buyer, NOTE, repr_digest=digest(NOTE))).status_code == 201
