"""What was found about an exhibit, on its page: to read for both sides, and to be answered."""

import re
from io import BytesIO
from time import sleep

import pytest
from PIL import Image

from tests.web.conftest import KEY

PATH = re.compile(r'href="(/exhibits/ex[0-9a-f]{32})"')


@pytest.fixture(scope="module")
def shot():
    """A picture of a telephone's screen, without a camera."""
    made = BytesIO()
    Image.radial_gradient("L").resize((1170, 2532)).save(made, "PNG")
    return made.getvalue()


def give(browser, number, data, media_type="image/png", **said: str):
    page = browser.get(f"/cases/{number}").text
    form = {
        "version": re.search(r'name="version" value="(\d+)"', page)[1],
        "key": KEY.search(page)[1],
        "file-0-kind": "PRODUCT_PHOTO",
        "file-0-title": "What came",
    } | {f"file-0-{name}": value for name, value in said.items()}
    files = {"file-0": ("what.png", data, media_type)}
    return browser.post(f"/cases/{number}/acts/submit_exhibit", form=form, files=files)


def examined(browser, number):
    """The path of the only exhibit's page, once the worker has examined it."""
    path = PATH.search(browser.get(f"/cases/{number}").text)[1]
    while "is being examined" in browser.get(path).text:
        sleep(0.05)
    return path


@pytest.fixture
def number(site, buyer, seller, shot):
    made = site.case()
    page = seller.get(f"/cases/{made}").text
    form = {
        "version": re.search(r'name="version" value="(\d+)"', page)[1],
        "key": KEY.search(page)[1],
        "statement": "It left us whole.",
    }
    assert seller.post(f"/cases/{made}/acts/contest", form=form).status_code == 303
    assert give(buyer, made, shot).status_code == 303
    return made


def test_both_sides_read_a_finding_its_grounds_and_its_limits(buyer, seller, number):
    path = examined(buyer, number)
    for browser in (buyer, seller):
        page = browser.get(path).text
        assert "looks like a screenshot" in page
        assert "1170 x 2532" in page
        assert "A chat or a tracking page is rightly shown by a screenshot." in page
    assert f"{path}#findings" in seller.get(f"/cases/{number}").text


def test_either_side_answers_it_without_javascript(buyer, seller, number):
    path = examined(buyer, number)
    for browser, words in ((buyer, "I saved it from the chat."), (seller, "Where is the photo?")):
        page = browser.get(path).text
        start = page.index("looks like a screenshot")
        form = {
            name: re.search(rf'name="{name}" value="([^"]+)"', page[start:])[1]
            for name in ("key", "version", "exhibitId", "findingId")
        }
        answer = browser.post(
            f"/cases/{number}/acts/answer_exhibit", form=form | {"body": words}, page=path
        )
        assert answer.status_code == 303, answer.text
        assert words in browser.get(path).text
        assert form["findingId"] not in re.findall(
            r'name="findingId" value="([^"]+)"', browser.get(path).text
        )
    assert "I saved it from the chat." in seller.get(path).text


def test_a_stranger_finds_nothing(buyer, open_browser, number):
    path = examined(buyer, number)
    assert open_browser("insurer").get(path).status_code == 404


def test_what_a_document_says_is_given_with_it_and_shown(buyer, site):
    number = site.case()
    said = {
        "kind": "OTHER",
        "carrier": "DHL",
        "trackingNumber": "428001369717",
        "deliveredAt": "2026-11-14T15:30",
        "amount": "12.50",
    }
    answer = give(buyer, number, b"Delivered.", "text/plain", **said)
    assert answer.status_code == 303, answer.text
    page = buyer.get(examined(buyer, number)).text
    for each in ("428001369717", "12.50", "check digit", "2026-11-14T1"):
        assert each in page


def test_a_field_that_does_not_belong_to_the_kind_is_refused_in_words(buyer, site, shot):
    answer = give(buyer, site.case(), shot, carrier="DHL")
    assert answer.status_code == 422
    assert "no such field" in answer.text


def test_a_time_that_is_none_is_refused(buyer, site, shot):
    answer = give(buyer, site.case(), shot, deliveredAt="yesterday")
    assert answer.status_code == 422
