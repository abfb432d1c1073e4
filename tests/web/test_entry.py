"""What stands behind an entry: as text and files for everybody, and checked in a real browser."""

import contextlib
import hashlib
import json
import re
from datetime import UTC, datetime

import pytest

from evidence import entry as entries
from evidence import note, proof, receipt
from evidence.keys import local_signer
from tests.web.clicking import PHOTO, Journey, until
from tests.web.conftest import KEY
from tests.web.stages import PHOTO as PAPER
from tests.web.test_exhibits import PATH
from web.pages.entry import told
from web.templating import environment
from web.wording import Wording

RECORD = re.compile(r'href="(/record/re[0-9a-f]{32})')
STRANGER = local_signer("vault.example/receipts", bytes(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
LATER = 4_000_000_000_000_000


@pytest.fixture(scope="module")
def exhibit(site) -> str:
    """An exhibit in the middle of a record; its entry is in the log, with one that follows."""
    number = site.case()
    with site.browser("buyer") as browser:
        for title in ("The crack", "The box"):
            page = browser.get(f"/cases/{number}").text
            form = {
                "version": re.search(r'name="version" value="(\d+)"', page)[1],
                "key": KEY.search(page)[1],
                "file-0-kind": "PRODUCT_PHOTO",
                "file-0-title": title,
            }
            sent = browser.post(f"/cases/{number}/acts/submit_exhibit", form=form, files=PAPER)
            assert sent.status_code == 303, sent.text
        path = PATH.search(browser.get(f"/cases/{number}").text)[1]
        until(lambda: "entry.tlog-proof" in browser.get(path).text)
    return path


@pytest.fixture(scope="module")
def attested(site, exhibit) -> dict:
    """All of the exhibit's entry, as the server says it."""
    with site.browser("buyer") as browser:
        record = RECORD.search(browser.get(exhibit).text)[1]
        return browser.get(f"{record}/attestation.json").json() | {"path": record}


@pytest.fixture(scope="module")
def journey(site, chromium):
    with contextlib.ExitStack() as stack:
        yield Journey(site, chromium, stack)


def checked(journey, exhibit, answer=None, *, file=None, keys=None) -> tuple[str, dict[str, list]]:
    """The verdict, and the lines by how they are shown, of a check in the browser."""
    page = journey.page(journey.site.people.buyer)
    page.goto(journey.site.url + exhibit)
    if answer is not None:
        said = json.dumps({name: answer[name] for name in answer if name != "path"})
        page.route("**/attestation.json", lambda route: route.fulfill(body=said))
    if file is not None:
        page.route("**/file", lambda route: route.fulfill(body=file))
    try:
        if keys is not None:
            page.locator("[data-attested] details summary").click()
            page.fill("#keys", keys)
        page.click("[data-attested] button")
        page.wait_for_selector("[data-attested] .told--good, [data-attested] .told--bad")
    finally:
        page.unroute_all()
    lines = {"given": [], "wrong": [], "": []}
    for line in page.locator("[data-results] li").all():
        lines[line.get_attribute("class")].append(line.get_attribute("data-line"))
    return page.inner_text("[data-attested] [role=status]"), lines


def flip(text: str, place: int) -> str:
    """The text with one of its digits or letters changed."""
    old = text[place]
    first = "0" if old.isdigit() else "a" if old.islower() else "A"
    other = chr(ord(first) + 1) if old == first else first
    return text[:place] + other + text[place + 1 :]


def in_entry(name: str, member: str, spoilt):
    """Change one member within an entry's text."""

    def change(answer: dict) -> dict:
        said = json.loads(answer[name])
        said[member] = spoilt(said[member])
        text = json.dumps(said, separators=(",", ":"), sort_keys=True)
        return answer | {name: text}

    return change


def in_lines(name: str, start: str, after: int = 0):
    """Change a letter of the line so far after the first that begins so, or that is empty."""

    def change(answer: dict) -> dict:
        lines = answer[name].split("\n")
        found = (
            at for at, line in enumerate(lines) if (line.startswith(start) if start else not line)
        )
        place = next(found) + after
        lines[place] = flip(lines[place], len(lines[place]) // 2)
        return answer | {name: "\n".join(lines)}

    return change


def hexed(text: str) -> str:
    return flip(text, 7)


def member(name: str):
    return lambda answer: answer | {name: hexed(answer[name])}


@pytest.mark.browser
def test_an_entry_in_the_log_is_sound(journey, exhibit):
    verdict, lines = checked(journey, exhibit)
    assert verdict.startswith("Sound")
    wanted = ["leaf", "before", "after", "body", "file", "proof", "checkpoint"]
    assert lines == {"given": wanted, "wrong": [], "": ["limits"]}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(member("leaf"), {"badLeaf"}, id="leaf"),
        pytest.param(
            in_entry("entry", "prev", hexed),
            {"badLeaf", "badBefore", "badAfter", "badProof"},
            id="prev",
        ),
        pytest.param(
            in_entry("entry", "body", hexed),
            {"badLeaf", "badAfter", "badBody", "badProof"},
            id="commitment",
        ),
        pytest.param(
            in_entry("entry", "time", lambda time: time + 1),
            {"badLeaf", "badAfter", "badProof"},
            id="time",
        ),
        pytest.param(in_entry("before", "body", hexed), {"badBefore"}, id="before"),
        pytest.param(lambda answer: answer | {"before": None}, {"badBefore"}, id="no before"),
        pytest.param(in_entry("after", "prev", hexed), {"badAfter"}, id="after"),
        pytest.param(
            lambda answer: answer | {"after": answer["before"]}, {"badAfter"}, id="other after"
        ),
        pytest.param(
            lambda answer: answer | {"stream": hexed(answer["stream"])}, {"badPlace"}, id="stream"
        ),
        pytest.param(
            lambda answer: answer | {"sequence": answer["sequence"] + 1},
            {"badPlace"},
            id="sequence",
        ),
        pytest.param(member("salt"), {"badBody"}, id="salt"),
        pytest.param(
            lambda answer: answer | {"body": answer["body"].replace("crack", "scratch")},
            {"badBody"},
            id="body",
        ),
        pytest.param(
            lambda answer: answer | {"index": answer["index"] + 1}, {"badProof"}, id="index"
        ),
        pytest.param(in_lines("proof", "index", 1), {"badProof"}, id="hash of the proof"),
        pytest.param(
            lambda answer: answer | {"proof": answer["proof"].replace("\nindex ", "\nindex 1")},
            {"badProof"},
            id="number",
        ),
        pytest.param(
            in_lines("proof", "", 3), {"badProof", "badCheckpoint"}, id="root of checkpoint"
        ),
        pytest.param(in_lines("proof", "—"), {"badCheckpoint"}, id="signature of checkpoint"),
        pytest.param(lambda answer: answer | {"proof": None}, {"noProof"}, id="no proof"),
    ],
)
def test_one_flipped_digit_is_named_in_red(journey, exhibit, attested, change, named):
    verdict, lines = checked(journey, exhibit, change(attested))
    assert verdict.startswith("Not sound")
    assert set(lines["wrong"]) == named


@pytest.mark.browser
def test_another_file_is_named_in_red(journey, exhibit):
    verdict, lines = checked(journey, exhibit, file=PHOTO["buffer"] + b"\0")
    assert verdict.startswith("Not sound")
    assert lines["wrong"] == ["badFile"]


@pytest.mark.browser
def test_withheld_content_is_not_checked_and_said_so(journey, exhibit, attested):
    verdict, lines = checked(journey, exhibit, attested | {"body": None, "salt": None})
    assert verdict.startswith("Sound")
    assert lines[""] == ["hidden", "fileAlone", "limits"]


@pytest.mark.browser
def test_a_key_that_signed_nothing_makes_the_checkpoint_red(journey, exhibit):
    verdict, lines = checked(journey, exhibit, keys=str(STRANGER.key))
    assert verdict.startswith("Not sound")
    assert lines["wrong"] == ["badCheckpoint"]
    assert checked(journey, exhibit, keys="nonsense")[1]["wrong"] == ["badKey"]


async def signed(attested: dict, latest: int) -> str:
    """A receipt for the entry, by a stranger's key."""
    bound = entries.decode(attested["entry"].encode())
    said = receipt.Receipt(
        bound.origin,
        bound.stream,
        bound.seq,
        bytes.fromhex(attested["leaf"]),
        entries.to_microseconds(bound.time),
        latest,
    )
    text = receipt.write(said)
    return note.assemble(text, STRANGER.key, await STRANGER.sign(text.encode()))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("latest", "spoilt", "named"),
    [
        (LATER, None, []),
        (1_000_000, None, ["broken"]),
        (LATER, -20, ["badReceiptSignature"]),
        (LATER, 20, ["badReceipt"]),
    ],
)
def test_until_it_is_in_the_log_its_receipt_is_checked(
    journey, exhibit, attested, latest, spoilt, named
):
    written = journey.site.run(signed(attested, latest))
    if spoilt is not None:
        written = flip(written, spoilt)
    waiting = attested | {"index": None, "proof": None, "receipt": written}
    verdict, lines = checked(journey, exhibit, waiting, keys=str(STRANGER.key))
    assert verdict.startswith("Not sound" if named else "Sound")
    assert lines["wrong"] == named
    assert "late" in lines[""]


def test_without_javascript_the_facts_and_files_are_there(buyer, exhibit, attested):
    page = buyer.get(exhibit).text
    for fact in (attested["leaf"], json.loads(attested["entry"])["prev"], "In the public log as"):
        assert fact in page
    assert "receipt.note" not in page  # the proof has taken its place
    path = attested["path"]
    data = buyer.get(f"{path}/entry.json").content
    assert entries.leaf_hash(data).hex() == attested["leaf"]
    body, salt = buyer.get(f"{path}/body.json").content, buyer.get(f"{path}/salt.hex").text
    assert entries.commit(bytes.fromhex(salt), body) == entries.decode(data).body
    file = buyer.get(f"{exhibit}/file?download=1").content
    assert hashlib.sha256(file).hexdigest() == json.loads(body)["blob"]["sha256"]
    keys = [note.read_verifier_key(one) for one in attested["keys"]]
    written = buyer.get(f"{path}/entry.tlog-proof").content
    assert proof.verify(written, entries.leaf_hash(data), keys).index == attested["index"]
    for name, member_ in (("before.json", "before"), ("after.json", "after")):
        assert buyer.get(f"{path}/{name}").text == attested[member_]
    assert buyer.get(path).text.count(attested["leaf"]) == 1
    assert buyer.get(f"{path}/nothing.txt").status_code == 404


def test_nobody_else_reads_an_entry(open_browser, attested):
    for who in ("stranger", None):
        browser = open_browser(who)
        for part in ("", "/entry.json", "/attestation.json"):
            answer = browser.get(attested["path"] + part)
            assert attested["leaf"] not in answer.text
            assert answer.status_code in {303, 404}


def shown(language: str, attested: dict, now: datetime) -> str:
    template = '{% import "parts.html" as parts with context %}{{ parts.attested(told) }}'
    entry = {"id": "re1", "sequence": attested["sequence"], "leaf": attested["leaf"]}
    facts = told(entry | {"attestation": attested}, now)
    wording = Wording(language, "UTC")
    return environment().from_string(template).render(wording=wording, told=facts)


@pytest.mark.parametrize(
    ("language", "soon", "over"),
    [("en", "Not in the public log yet", "broken promise"), ("zh", "尚未进入公共日志", "未被遵守")],
)
def test_before_the_log_the_page_shows_the_receipt_and_its_deadline(
    site, attested, language, soon, over
):
    due = entries.to_microseconds(NOW)
    written = site.run(signed(attested, due))
    waiting = attested | {"index": None, "proof": None, "receipt": written}
    page = shown(language, waiting, datetime(2026, 11, 22, tzinfo=UTC))
    assert soon in page
    assert 'datetime="2026-11-23T00:00:00+00:00"' in page
    assert "receipt.note" in page
    assert "tlog-proof" not in page
    assert over in shown(language, waiting, datetime(2026, 11, 24, tzinfo=UTC))
