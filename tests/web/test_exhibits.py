"""An exhibit's files: the one that was given, and the smaller copies that pages show."""

import re
from hashlib import sha256
from io import BytesIO

import pytest
from PIL import Image

from tests.evidence.hostile.documents import pdf
from tests.web.conftest import KEY

PATH = re.compile(r'href="(/exhibits/ex[0-9a-f]{32})"')


@pytest.fixture(scope="module")
def photo():
    made = BytesIO()
    Image.linear_gradient("L").resize((2400, 1800)).save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def exhibit(site, buyer, photo):
    number = site.case()
    page = buyer.get(f"/cases/{number}").text
    form = {
        "version": re.search(r'name="version" value="(\d+)"', page)[1],
        "key": KEY.search(page)[1],
        "file-0-kind": "PRODUCT_PHOTO",
        "file-0-title": "The crack",
    }
    files = {"file-0": ("crack.jpg", photo, "image/jpeg")}
    answer = buyer.post(f"/cases/{number}/acts/submit_exhibit", form=form, files=files)
    assert answer.status_code == 303, answer.text
    return PATH.search(buyer.get(f"/cases/{number}").text)[1]


def _readings(site):
    return site.value("SELECT count(*) AS found FROM readings").found


def test_the_file_is_the_one_that_was_given_and_its_reading_is_noted(site, seller, exhibit, photo):
    before = _readings(site)
    answer = seller.get(f"{exhibit}/file")
    assert sha256(answer.content).digest() == sha256(photo).digest()
    assert answer.headers["content-type"] == "image/jpeg"
    assert _readings(site) == before + 1


@pytest.mark.parametrize(("copy", "widest"), [("thumbnail", 320), ("screen", 2000)])
def test_pages_show_a_smaller_copy(seller, exhibit, photo, copy, widest):
    answer = seller.get(f"{exhibit}/file", params={"copy": copy})
    assert len(answer.content) < len(photo)
    assert max(Image.open(BytesIO(answer.content)).size) <= widest
    assert f"{exhibit}/file?copy=screen" in seller.get(exhibit).text


def test_a_thumbnail_in_a_list_is_no_reading(site, seller, exhibit):
    before = _readings(site)
    assert seller.get(f"{exhibit}/file", params={"copy": "thumbnail"}).status_code == 200
    assert _readings(site) == before


def test_a_copy_that_there_is_not_is_the_file(seller, exhibit, photo):
    for copy in ("poster", "page-1", "page-00", "../secret", ""):
        assert seller.get(f"{exhibit}/file", params={"copy": copy}).content == photo


def test_nobody_else_has_a_copy(open_browser, exhibit):
    browser = open_browser("stranger")
    for copy in ("thumbnail", "screen"):
        assert browser.get(f"{exhibit}/file", params={"copy": copy}).status_code == 404


def test_an_exhibit_leads_back_to_its_case(seller, exhibit):
    page = seller.get(exhibit).text
    number = re.search(r'href="/cases/([\d-]+)#exhibits"', page)[1]
    assert exhibit in seller.get(f"/cases/{number}").text


def test_of_a_document_its_first_page_is_shown(site, buyer, seller):
    page = buyer.get(f"/cases/{(number := site.case())}").text
    form = {
        "version": re.search(r'name="version" value="(\d+)"', page)[1],
        "key": KEY.search(page)[1],
        "file-0-kind": "STATEMENT",
        "file-0-title": "What the shop wrote",
    }
    files = {"file-0": ("letter.pdf", pdf(), "application/pdf")}
    answer = buyer.post(f"/cases/{number}/acts/submit_exhibit", form=form, files=files)
    assert answer.status_code == 303, answer.text
    exhibit = PATH.search(buyer.get(f"/cases/{number}").text)[1]
    for copy in ("thumbnail", "screen", "page-1"):
        answer = seller.get(f"{exhibit}/file", params={"copy": copy})
        assert answer.headers["content-type"] == "image/jpeg"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert seller.get(f"{exhibit}/file").content == pdf()
    assert f"{exhibit}/file?copy=screen" in seller.get(exhibit).text


def test_a_harmful_file_is_refused_with_its_reason(site, buyer):
    page = buyer.get(f"/cases/{(number := site.case())}").text
    form = {
        "version": re.search(r'name="version" value="(\d+)"', page)[1],
        "key": KEY.search(page)[1],
        "file-0-kind": "STATEMENT",
        "file-0-title": "What the shop wrote",
    }
    harmful = pdf(b"<</S/JavaScript/JS(app.alert(1))>>")
    files = {"file-0": ("letter.pdf", harmful, "application/pdf")}
    answer = buyer.post(f"/cases/{number}/acts/submit_exhibit", form=form, files=files)
    assert answer.status_code == 422
    assert "This PDF holds a program." in answer.text
