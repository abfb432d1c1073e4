"""Sealed bids on the pages; and that nothing anywhere ever shows those that did not meet."""

import contextlib
import io
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pypdfium2
import pytest

from infra import postgres
from schema import ids
from tests.odr import world
from tests.web import clicking
from tests.web.clicking import Journey, until
from tests.web.stages import Stages

TOTAL = 9_000_000_017
LEAST, MOST = 7_391_482_063, 5_118_640_927
"""What the buyer and the seller bid, in minor units: numbers that are nowhere else."""

EVERYBODY = ("buyer", "seller", "operator", "insurer", "marketplace", "stranger")
PAGES = ("/", "/notices", "/settled", "/how", "/profile")


@pytest.fixture(scope="module")
def stages(site) -> Iterator[Stages]:
    with contextlib.ExitStack() as stack:
        yield Stages(site, stack)


@pytest.fixture
def journey(site, chromium) -> Iterator[Journey]:
    with contextlib.ExitStack() as stack:
        yield Journey(site, chromium, stack)


def canaries() -> list[re.Pattern[bytes]]:
    """Both bids, what lies between them and their middle, as any output might spell them."""
    found = set()
    for minor in (LEAST, MOST, LEAST - MOST, (LEAST + MOST) // 2):
        whole, cents = divmod(minor, 100)
        spelt = {f"{minor}", f"{whole}.{cents:02}", f"{whole},{cents:02}", f"{whole:,}"}
        spelt |= {f"{whole:,}".replace(",", other) for other in (".", " ", "\N{NO-BREAK SPACE}")}
        found |= {each.encode() for each in spelt}
        found |= {each.encode().hex().encode() for each in spelt}
        found |= {minor.to_bytes(8, order).hex().encode() for order in ("big", "little")}
        found |= {minor.to_bytes(8, "big"), minor.to_bytes(8, "little")}
    return [re.compile(re.escape(each)) for each in sorted(found)]


CANARIES = canaries()


def hits(where: str, content: bytes) -> list[str]:
    return [f"{where}: {each.pattern!r}" for each in CANARIES if each.search(content)]


def words(pdf: bytes) -> bytes:
    with contextlib.closing(pypdfium2.PdfDocument(pdf)) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document).encode()


def in_bundle(where: str, content: bytes) -> list[str]:
    found = hits(where, content)
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        for name in bundle.namelist():
            data = bundle.read(name)
            found += hits(f"{where} {name}", data)
            if name.endswith(".pdf"):
                found += hits(f"{where} {name}", words(data))
    return found


def dumped(url: str) -> bytes:
    """All of the database as pg_dump writes it."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query)["host"][0]
    command = [
        postgres.find_binaries() / "pg_dump",
        "-h",
        folder,
        "-U",
        parts.username or "postgres",
    ]
    done = subprocess.run(
        [*command, parts.path.lstrip("/")], capture_output=True, check=True, env=dict(os.environ)
    )
    assert b"COPY public.bids" in done.stdout
    return done.stdout


def shown(site, number: str, viewers: dict[str, object]) -> list[str]:
    """What everybody's pages, bundles and papers show."""
    found, taken = [], 0
    for role, viewer in viewers.items():
        for language in ("en", "zh"):
            with site.browser(viewer) as browser:
                browser.client.cookies.set("concord_language", language)
                for path in (*PAGES, f"/cases/{number}"):
                    answer = browser.get(path)
                    found += hits(f"{role} {path}", answer.content + str(answer.headers).encode())
                answer = browser.get(f"/cases/{number}/bundle")
                if answer.status_code == 200:
                    taken += 1
                    found += in_bundle(f"{role} bundle", answer.content)
    assert taken >= 4
    return found


def kept(folder: Path, *logs: Path) -> list[str]:
    """What lies in the service's folder (objects, mail, keys) and in the database's own log."""
    found, read = [], 0
    for path in (*folder.rglob("*"), *logs):
        if path.is_file():
            read += 1
            found += hits(str(path), path.read_bytes())
    assert read > 10
    return found


def test_the_pages_the_dump_and_the_logs_never_show_bids_that_do_not_meet(
    site, stages, cluster, caplog, in_memory
):
    people = site.people
    number = big(site)
    stages._post(people.seller, number, "contest", statement="It left us whole.")
    caplog.set_level(0)

    refused = stages._browser(people.buyer).post(
        f"/cases/{number}/acts/place_bid", form={"amountMinor": "90000000.18"}
    )
    assert refused.status_code == 422
    stages._post(people.buyer, number, "place_bid", amountMinor=f"{LEAST / 100:.2f}")
    viewers = {role: site.viewer(role) for role in EVERYBODY}
    asked = "SELECT current_database() AS name"
    url = cluster.url(site.value(asked).name)
    found = shown(site, number, viewers) + hits("dump, one bid", dumped(url))
    stages._post(people.seller, number, "place_bid", amountMinor=f"{MOST / 100:.2f}")
    found += hits("dump, both bids", dumped(url))
    until(lambda: is_over(site, number))
    found += hits("dump, round over", dumped(url))

    stages._post(people.buyer, number, "request_intervention", reason="We are apart.")
    viewers["mediator"] = site.neutral(number, "mediator")
    found += shown(site, number, viewers)
    found += kept(in_memory / "site", cluster.log)
    found += hits("log", caplog.text.encode())
    found += hits("dump, afterwards", dumped(url))
    assert found == []
    assert site.value("SELECT count(*) FROM bids WHERE sealed IS NOT NULL")[0] == 0


def test_the_scan_finds_what_is_not_sealed(site, cluster, stages):
    """The same scan, of the same amount said openly."""
    people, number = site.people, big(site)
    stages._post(people.seller, number, "contest", statement="It left us whole.")
    given = {"terms-0-remedy": "PARTIAL_REFUND", "terms-0-amount": f"{LEAST / 100:.2f}"}
    stages._post(people.seller, number, "make_offer", **given)
    url = cluster.url(site.value("SELECT current_database() AS name").name)
    assert hits("dump", dumped(url))
    viewers = {role: site.viewer(role) for role in ("buyer", "seller", "operator")}
    told = " ".join(shown(site, number, viewers))
    assert "buyer /cases/" in told
    assert "buyer bundle" in told
    assert "record.pdf" in told
    stages._post(people.seller, number, "revoke_offer", offerId=open_offer(site, number))


def open_offer(site, number: str) -> str:
    asked = (
        "SELECT o.id FROM offers o JOIN cases c ON c.id = o.case_id"
        " WHERE c.number = :number AND o.state = 'open'"
    )
    return ids.write("of", site.value(asked, number=number).id)


def is_over(site, number: str) -> bool:
    asked = (
        "SELECT a.id FROM acts a JOIN cases c ON c.id = a.case_id"
        " WHERE c.number = :number AND a.act = 'close_bid_round'"
    )
    return site.value(asked, number=number) is not None


def big(site) -> str:
    """The number of a case about so much money that nothing else says the same numbers."""

    async def make() -> str:
        order = await world.order(site.parts.engine, site.people, total_minor=TOTAL, covered=False)
        terms = world.refund(TOTAL, full=True)
        case_id = await world.file(site.parts.office, site.people, order, terms=terms)
        return await site._number(case_id)

    return site.run(make())


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_bids_are_placed_by_the_form_and_settle_in_the_middle(journey, site, language):
    journey.chosen = {"locale": language}
    journey.file()
    people = site.people
    journey.act(people.seller, "contest", clicking.contest)
    page = journey.case(people.buyer)
    form = page.locator("#act-place_bid")
    form.locator("> summary").click()
    form.locator("[name=amountMinor]").fill("1290.00")
    form.locator("form .button").click()
    assert form.get_by_role("alert").is_visible()
    form.locator("[name=amountMinor]").fill("60.00")
    form.locator("form .button").click()
    page.wait_for_url("**done=place_bid*")
    assert page.locator("#act-place_bid").count() == 0
    journey.act(
        people.seller, "place_bid", lambda form: form.locator("[name=amountMinor]").fill("80")
    )
    until(lambda: site.row(journey.number).outcome == "settled")
    page = journey.case(people.buyer)
    money = page.locator("[aria-labelledby=money]").inner_text()
    assert "70.00" in money
    for bid in ("60.00", "80.00"):
        assert bid not in page.content()
