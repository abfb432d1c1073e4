"""The journeys by clicking, in a real browser: with JavaScript and without."""

import contextlib
import zipfile
from typing import Any

import pytest

from tests.web import clicking
from tests.web.clicking import Journey

pytestmark = pytest.mark.browser


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def journey(site, chromium, request):
    with contextlib.ExitStack() as stack:
        yield Journey(site, chromium, stack, {"java_script_enabled": request.param})


def _to_mediation(journey: Journey) -> None:
    people = journey.site.people
    journey.file()
    journey.act(people.seller, "acknowledge")
    journey.act(people.seller, "contest", clicking.contest)
    journey.act(people.seller, "make_counter_offer", clicking.terms("PARTIAL_REFUND", "30.00"))
    journey.act(
        people.buyer, "reject_counter_offer", clicking.text("reason", "That is too little.")
    )
    assert journey.state == "mediating"


def _to_arbitration(journey: Journey) -> None:
    people = journey.site.people
    mediator = journey.site.neutral(journey.number, "mediator")
    journey.act(mediator, "disclose")
    journey.act(people.buyer, "send_caucus_message", clicking.text("body", "Between us: 90."))
    journey.act(mediator, "propose_terms", clicking.propose)
    journey.act(people.buyer, "accept_proposal")
    journey.act(people.seller, "reject_proposal")
    journey.act(people.buyer, "request_arbitration")


def _to_ruling(journey: Journey) -> None:
    people = journey.site.people
    arbitrator = journey.site.neutral(journey.number, "arbitrator")
    journey.act(arbitrator, "disclose")
    walled = journey.case(arbitrator).content()
    assert "Between us" not in walled
    assert "Both bear a part." not in walled
    journey.act(people.seller, "answer_exhibit", clicking.answer)
    journey.act(people.buyer, "consent")
    journey.act(people.buyer, "rest")
    journey.act(arbitrator, "close_record")
    journey.act(arbitrator, "rule", clicking.rule)


def test_the_main_job_is_done(journey, site, tmp_path):
    _to_mediation(journey)
    _to_arbitration(journey)
    _to_ruling(journey)
    people = site.people
    journey.act(people.buyer, "waive_appeal")
    journey.act(people.seller, "waive_appeal")
    journey.wait("closed")
    page = journey.case(people.buyer)
    assert "It was paid out to the buyer." in page.content()
    assert "€100.00" in page.locator("[aria-labelledby=money]").inner_text()
    ruling = page.locator("[aria-labelledby=ruling-1]").inner_text()
    for said in ("Was it damaged on the way?", "It shows another parcel.", "risk is the seller's"):
        assert said in ruling
    _download(page, journey, tmp_path)
    number = journey.insured()
    _decide(journey, number)
    page = journey.go(people.insurer, "/settled")
    page.get_by_label("Case").fill(journey.number)
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=number).click()
    page.get_by_role("link", name=journey.number).click()
    assert "Was it damaged on the way?" in page.content()


def _download(page: Any, journey: Journey, folder: Any) -> None:
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download the record").click()
    assert caught.value.suggested_filename == f"concord-{journey.number}.zip"
    caught.value.save_as(folder / "record.zip")
    assert zipfile.ZipFile(folder / "record.zip").testzip() is None


def _decide(journey: Journey, number: str) -> None:
    page = journey.go(journey.site.people.insurer)
    page.get_by_role("link", name=number).click()
    page.get_by_label("Amount in EUR").fill("40.00")
    page.get_by_label("Grounds").fill("The ruling shows the loss.")
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("button", name="Pay €40.00").click()
    page.locator("main .tag--good").first.wait_for()
    assert "Paid" in page.locator("main .tag").first.inner_text()


def test_a_seller_accepts(journey, site):
    journey.file()
    journey.act(site.people.seller, "accept_claim")
    journey.wait("closed")
    assert site.row(journey.number).outcome == "settled"
    page = journey.case(site.people.buyer)
    assert "It was paid out to the buyer." in page.content()


def test_an_offer_is_accepted(journey, site):
    journey.file()
    journey.act(site.people.seller, "contest", clicking.contest)
    journey.act(site.people.seller, "make_offer", clicking.terms("PARTIAL_REFUND", "70.00"))
    journey.act(site.people.buyer, "accept_offer")
    journey.wait("closed")
    page = journey.case(site.people.buyer)
    assert "€70.00" in page.locator("[aria-labelledby=money]").inner_text()


def test_a_claim_is_withdrawn(journey, site):
    journey.file()
    journey.act(site.people.buyer, "withdraw", clicking.text("reason", "It works after all."))
    row = site.row(journey.number)
    assert (row.state, row.outcome) == ("closed", "withdrawn")


def test_a_silent_seller_grants_the_request(journey, site):
    journey.file()
    buyer = site.people.buyer
    _let_pass(journey, "3 days", "3 days")
    journey.wait("defaulted")
    page = journey.case(buyer)
    assert "The request was granted because no answer came" in page.content()
    _let_pass(journey, "7 days", "7 days", "1 day")
    journey.wait("closed")
    page = journey.case(buyer)
    assert "It was paid out to the buyer." in page.content()


def _let_pass(journey: Journey, *steps: str) -> None:
    """Days pass by the demonstration's page; one stays signed in."""
    for days in steps:
        page = journey.go(journey.site.people.buyer, "/demo")
        with page.expect_navigation(url="**/demo"):
            page.get_by_role("button", name=days, exact=True).click()


def test_what_is_wrong_is_told_at_the_form_and_nothing_is_lost(journey, site):
    journey.file()
    seller = site.people.seller
    journey.act(seller, "contest", clicking.contest)
    page = journey.case(seller)
    form = page.locator("#act-make_offer")
    form.locator("> summary").click()
    clicking.terms("PARTIAL_REFUND", "1290.00")(form)
    form.locator("[name=message]").fill("Take it.")
    form.locator("form .button").click()
    assert form.get_by_role("alert").is_visible()
    assert form.locator("[name=message]").input_value() == "Take it."
    clicking.terms("PARTIAL_REFUND", "12.90")(form)
    form.locator("form .button").click()
    page.wait_for_url("**done=make_offer*")


def test_language_and_zone_are_chosen_and_stay(journey, site):
    page = journey.go(site.people.stranger, "/profile")
    page.get_by_label("Language").select_option("zh")
    page.get_by_label("Time zone").select_option("Asia/Shanghai")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("已保存。").wait_for()
    assert page.get_by_label("时区").input_value() == "Asia/Shanghai"
    page.get_by_label("语言").select_option("en")
    page.get_by_role("button", name="保存").click()
    page.get_by_text("Saved.").wait_for()


def test_a_link_in_a_letter_leads_to_what_was_asked_for(journey, site):
    """A stranger who follows a notice signs in and is where the notice pointed."""
    journey.number = site.case()
    page = journey.case(None)
    assert "/sign-in?next=/cases/" in page.url
    page.goto(f"{site.url}/sign-in/{site.link(site.people.seller)}")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"**/cases/{journey.number}")


def test_everything_is_done_from_the_keyboard(journey, site):
    journey.file()
    page = journey.case(site.people.seller)
    page.keyboard.press("Tab")
    assert page.locator(".skip").evaluate("each => each === document.activeElement")
    page.locator("#act-acknowledge > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**done=acknowledge*")
