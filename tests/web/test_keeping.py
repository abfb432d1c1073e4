"""The operator's page about keeping: what waits, what is held, and its forms."""

import re
from datetime import UTC, datetime

import pytest

from evidence.tombstone import Ground
from odr import erasures, holds
from odr import ids as made
from odr.errors import Unmet
from odr.models.dialogue import Exhibit
from schema import ids
from tests.web.conftest import KEY
from tests.web.stages import PHOTO as PAPER
from tests.web.test_exhibits import PATH

REASON = "The court of Berlin says so."
ROWS = re.compile(r'name="act" value="(\w+)"><input type="hidden" name="id" value="(\w+)"')


def waiting(site, exhibit: str) -> str:
    """An erasure of an exhibit that waits, unless one does, and a hold on its case after it."""
    key = ids.key(exhibit, "ex")

    async def ask() -> str:
        office, people = site.parts.office, site.people
        async with office.work(people.operator, made.new(datetime.now(UTC))) as work:
            erasure = await erasures.ask(work, key, Ground.COURT_ORDER, REASON)
        async with office.connected() as conn:
            case = (await conn.execute(Exhibit.__table__.select().filter_by(id=key))).one().case_id
        async with office.work(people.operator, made.new(datetime.now(UTC))) as work:
            await holds.place(work, case, REASON)
        return ids.write("er", erasure)

    try:
        return site.run(ask())
    except Unmet:
        return ""


@pytest.fixture(scope="module")
def exhibit(site) -> str:
    number = site.case()
    with site.browser("buyer") as browser:
        page = browser.get(f"/cases/{number}").text
        form = {
            "version": re.search(r'name="version" value="(\d+)"', page)[1],
            "key": KEY.search(page)[1],
            "file-0-kind": "PRODUCT_PHOTO",
            "file-0-title": "The crack",
        }
        sent = browser.post(f"/cases/{number}/acts/submit_exhibit", form=form, files=PAPER)
        assert sent.status_code == 303, sent.text
        return PATH.search(browser.get(f"/cases/{number}").text)[1].rpartition("/")[2]


def test_the_page_is_the_operators_alone(open_browser):
    for who in ("buyer", "seller", "insurer", "marketplace"):
        browser = open_browser(who)
        assert browser.get("/keeping").status_code == 404
        assert "/keeping" not in browser.get("/").text
    operator = open_browser("operator")
    assert operator.get("/keeping").status_code == 200
    assert 'href="/keeping"' in operator.get("/").text


def test_a_hold_is_lifted_and_an_erasure_approved_by_another_from_the_page(
    site, exhibit, open_browser
):
    erasure = waiting(site, exhibit)
    asking, other = open_browser("operator"), open_browser("second_operator")
    page = asking.get("/keeping").text
    assert REASON in page
    assert ("approve", erasure) not in ROWS.findall(page)
    assert ("decline", erasure) in ROWS.findall(page)
    page = other.get("/keeping").text
    assert ("approve", erasure) in ROWS.findall(page)
    refused = other.post("/keeping", form={"act": "approve", "id": erasure})
    assert refused.status_code == 422
    assert "A legal hold is placed on this case" in refused.text
    (hold,) = [row for act, row in ROWS.findall(page) if act == "lift"]
    assert other.post("/keeping", form={"act": "lift", "id": hold}).status_code == 422
    lift = {"act": "lift", "id": hold, "reason": "It is over."}
    assert other.post("/keeping", form=lift).status_code == 303
    approved = other.post("/keeping", form={"act": "approve", "id": erasure})
    assert approved.status_code == 303
    page = other.get("/keeping").text
    assert "No erasure waits." in page
    assert "No case is held." in page
    assert other.post("/keeping", form={"act": "burn", "id": erasure}).status_code == 404


def test_nobody_else_decides_by_the_form(open_browser):
    buyer = open_browser("buyer")
    for act in ("approve", "decline", "lift"):
        sent = buyer.post("/keeping", form={"act": act, "id": "er" + "0" * 32, "reason": "x"})
        assert sent.status_code == 404
