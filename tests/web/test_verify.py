"""The page that checks a record or a receipt in the visitor's browser, in a real one."""

import contextlib
import html
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evidence import keys as vault_keys
from tests.evidence.cases import files_of, pack
from tests.web.clicking import Journey, until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def journey(site, chromium):
    with contextlib.ExitStack() as stack:
        yield Journey(site, chromium, stack)


@pytest.fixture(scope="module")
def record(site, tmp_path_factory) -> Path:
    """A buyer's bundle, all of it in the log."""
    number = site.case()
    path = tmp_path_factory.mktemp("record") / "record.zip"

    def complete() -> bool:
        with site.browser("buyer") as browser:
            path.write_bytes(browser.get(f"/cases/{number}/bundle").content)
        names = files_of(path)
        return any(name.endswith(".tlog-proof") for name in names)

    until(complete)
    return path


def checked(journey: Journey, path: Path, keys: str | None = None) -> tuple[str, str]:
    """The verdict on a file, and what was said of it."""
    page: Any = journey.page()
    asked: list[str] = []
    page.goto(journey.site.url + "/verify")
    page.on("request", lambda request: asked.append(request.url))
    page.set_input_files("#file", path)
    if keys is not None:
        page.fill("#keys", keys)
    page.click("[data-check] button")
    page.wait_for_selector("[data-verdict].told--good, [data-verdict].told--bad")
    sent = [url for url in asked if not url.endswith("/logo.svg")]  # the tab's own picture
    assert sent == []  # nothing left the browser
    return page.inner_text("[data-verdict]"), page.inner_text("[data-results]")


def test_a_good_record_is_sound(journey, record):
    verdict, said = checked(journey, record)
    assert verdict.startswith("Sound")
    assert "signed by the keys: 1" in said
    assert "of the public log: 1" in said


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("entries/000000.json", "receipt is for another entry"),
        ("bodies/000000.json", "not what its entry binds"),
        ("salts/000000.hex", "not what its entry binds"),
        ("receipts/000000.note", "A signature is not by its key"),
        ("proofs/000000.tlog-proof", "A signature is not by its key"),
    ],
)
def test_a_forged_record_is_not(journey, record, tmp_path, ending, told):
    files = files_of(record)
    name = next(each for each in sorted(files) if each.endswith(ending))
    data = files[name]
    if ending.startswith("entries"):
        data = data.replace(b'"time":1', b'"time":2')
    elif ending.startswith("bodies"):
        data = data.replace(b"claimant", b"claiment")
    elif ending.startswith("salts"):
        data = bytes([data[0] ^ 1]) + data[1:]
    else:  # its last number, or the checkpoint's size
        lines = data.split(b"\n\n")
        head, _, number = lines[-2].rpartition(b"\n")
        lines[-2] = head + b"\n" + (b"9" + number if number.isdigit() else number[::-1])
        data = b"\n\n".join(lines)
    files[name] = data
    verdict, _ = checked(journey, pack(files, tmp_path / "forged.zip"))
    assert told in verdict


def test_a_changed_file_is_named(journey, record, tmp_path):
    data = record.read_bytes()
    place = data.index(b'"act":"file"')
    path = tmp_path / "changed.zip"
    path.write_bytes(data[:place] + b'"act":"fake"' + data[place + 12 :])
    verdict, _ = checked(journey, path)
    assert "A file was changed: data/streams/" in verdict


def test_a_receipt_alone_is_read(journey, record, tmp_path):
    files = files_of(record)
    path = tmp_path / "receipt.note"
    path.write_bytes(next(files[each] for each in sorted(files) if each.endswith(".note")))
    verdict, said = checked(journey, path)
    assert verdict.startswith("Sound")
    assert "entry 0 of the stream" in said
    stranger = str(vault_keys.local_signer("vault.example/receipts", bytes(32)).key)
    verdict, _ = checked(journey, path, stranger)
    assert "None of the keys signed this" in verdict
    verdict, _ = checked(journey, path, "nonsense")
    assert "no verifier key" in verdict


def test_what_is_no_record_is_said_so(journey, tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x/bagit.txt", b"x" * 100)
    assert "not packed as records are" in checked(journey, path)[0]


def test_the_pages_print_the_commands_with_the_keys(site):
    with site.browser() as browser:
        browser.client.cookies.set("concord_language", "en")
        key = browser.get("/log/", headers={"accept": "application/json"}).json()["receiptKey"]
        for path in ("/how", "/verify"):
            assert key in html.unescape(browser.get(path).text)
