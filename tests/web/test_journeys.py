"""The journeys by clicking, in a real browser: with JavaScript and without, on a desk and a phone.

On the way axe-core looks at every page in both themes and no page may scroll sideways.
"""

import contextlib
import re
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.web.conftest import PNG

pytestmark = [
    pytest.mark.browser,
    # A browser leaves a page while its pictures load: a file that the store opens in a thread for
    # a request that is gone is closed by the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHOTO = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG}


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Journey:
    """One case and whoever acts in it, each at a browser of their own."""

    site: Any
    chromium: Any
    stack: contextlib.ExitStack
    chosen: dict[str, Any]
    number: str = ""

    def page(self, viewer: Any, **chosen: Any) -> Any:
        """A page in a new browser of somebody who is signed in."""
        context = self.chromium.new_context(
            **{"viewport": DESK, "locale": "en"} | self.chosen | chosen
        )
        context.set_default_timeout(10_000)
        self.stack.callback(context.close)
        cookie = {"name": "concord_session", "value": self.site.cookie(viewer)}
        context.add_cookies([cookie | {"url": self.site.url}])
        return context.new_page()

    def case(self, viewer: Any, **chosen: Any) -> Any:
        page = self.page(viewer, **chosen)
        page.goto(f"{self.site.url}/cases/{self.number}")
        return page

    def file(
        self, *, amount: str = "129.00", remedy: str = "FULL_REFUND", look: Any = None
    ) -> None:
        """The buyer files a claim by the guided form, with a photo."""
        seen = look or (lambda _: None)
        self.site.order()
        page = self.page(self.site.people.buyer)
        page.goto(self.site.url)
        seen(page)
        page.get_by_role("link", name="Something is wrong").first.click()
        seen(page)
        page.get_by_label("It was damaged on the way.").check()
        page.get_by_label("Tell it in your words").fill("It arrived broken.\nI have photos.")
        page.get_by_role("button", name="Go on").click()
        seen(page)
        page.locator("[name=terms-0-remedy]").select_option(remedy)
        page.locator("[name=terms-0-amount]").fill(amount)
        page.get_by_role("button", name="Go on").click()
        seen(page)
        page.locator("[name=file-0]").set_input_files(PHOTO)
        page.locator("[name=file-0-kind]").select_option("PRODUCT_PHOTO")
        page.locator("[name=file-0-title]").fill("The crack")
        page.get_by_role("button", name="Upload and add another").click()
        seen(page)
        page.get_by_role("button", name="Go on").click()
        seen(page)
        page.get_by_role("button", name="File the claim").click()
        page.wait_for_url("**/cases/*")
        self.number = re.search(r"/cases/([\d-]+)", page.url)[1]
        seen(page)
        page.close()

    def act(self, viewer: Any, name: str, fill: Any = None) -> None:
        """Do an act by its form: open it, fill it in, press its button."""
        page = self.case(viewer)
        form = page.locator(f"#act-{name}")
        form.locator("> summary").click()
        if fill:
            fill(form)
        form.locator("form button").last.click()
        page.wait_for_url(f"**done={name}*")
        assert page.get_by_role("status").first.inner_text().startswith("Done")
        page.close()

    @property
    def state(self) -> str:
        return self.site.row(self.number).state

    def wait(self, reached: Any) -> None:
        """Wait until the worker has brought the case where it should be."""
        page = self.page(self.site.people.buyer)
        for _ in range(300):
            if reached():
                break
            page.wait_for_timeout(50)
        page.close()
        assert reached(), self.state


@pytest.fixture
def journey(site, chromium):
    with contextlib.ExitStack() as stack:
        yield lambda **chosen: Journey(site, chromium, stack, chosen)


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def any_browser(request):
    return {"java_script_enabled": request.param}


def _terms(remedy: str, amount: str) -> Any:
    def fill(form: Any) -> None:
        form.locator("[name=terms-0-remedy]").select_option(remedy)
        form.locator("[name=terms-0-amount]").fill(amount)

    return fill


def _text(name: str, text: str) -> Any:
    return lambda form: form.locator(f"[name={name}]").fill(text)


def _contest(form: Any) -> None:
    form.locator("[name=statement]").fill("It left us whole.")
    form.locator("[name=file-0]").set_input_files(PHOTO)
    form.locator("[name=file-0-kind]").select_option("WAYBILL")
    form.locator("[name=file-0-title]").fill("The waybill")


def _propose(form: Any) -> None:
    _terms("PARTIAL_REFUND", "80.00")(form)
    form.locator("[name=reasons]").fill("Both bear a part.")


def _answer(form: Any) -> None:
    form.locator("[name=exhibitId]").first.check()
    form.locator("[name=body]").fill("That is another parcel.")


def _rule(form: Any) -> None:
    form.locator("[name=kind][value=GRANTED_IN_PART]").check()
    form.locator("[name=finding-0-issue]").fill("Was it damaged on the way?")
    form.locator("[name=finding-0-body]").fill("The photo shows it.")
    form.locator("[name=finding-0-exhibits]").first.check()
    form.locator("[name^=unrelied-]").last.fill("It shows another parcel.")
    form.locator("[name=reasons]").fill("Until delivery the risk is the seller's.")
    _terms("PARTIAL_REFUND", "100.00")(form)


def _to_mediation(journey: Any) -> None:
    people = journey.site.people
    journey.file()
    journey.act(people.seller, "acknowledge")
    journey.act(people.seller, "contest", _contest)
    journey.act(people.seller, "make_counter_offer", _terms("PARTIAL_REFUND", "30.00"))
    journey.act(people.buyer, "reject_counter_offer", _text("reason", "Too little."))
    assert journey.state == "mediating"


def _to_ruling(journey: Any) -> None:
    """The main job, from the claim to the ruling."""
    people, site = journey.site.people, journey.site
    _to_mediation(journey)
    mediator = site.neutral(journey.number, "mediator")
    journey.act(mediator, "disclose")
    journey.act(people.buyer, "send_caucus_message", _text("body", "Between us: 90."))
    journey.act(mediator, "propose_terms", _propose)
    journey.act(people.buyer, "accept_proposal")
    journey.act(people.seller, "reject_proposal")
    journey.act(people.buyer, "request_arbitration")
    arbitrator = site.neutral(journey.number, "arbitrator")
    journey.act(arbitrator, "disclose")
    assert "Between us" not in journey.case(arbitrator).content()
    assert "Both bear a part." not in journey.case(arbitrator).content()
    journey.act(people.seller, "answer_exhibit", _answer)
    journey.act(people.buyer, "consent")
    journey.act(people.buyer, "rest")
    journey.act(people.seller, "rest")
    journey.act(arbitrator, "rule", _rule)


def test_the_main_job_is_done_by_clicking(journey, any_browser):
    journey = journey(**any_browser)
    people, site = journey.site.people, journey.site
    _to_ruling(journey)
    journey.act(people.buyer, "waive_appeal")
    journey.act(people.seller, "waive_appeal")
    journey.wait(lambda: journey.state == "closed")
    page = journey.case(people.buyer)
    assert "It was paid out to the buyer." in page.content()
    assert "€100.00" in page.locator("aside").inner_text()
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download the record").click()
    assert caught.value.suggested_filename == f"concord-{journey.number}.zip"
    number = _insured(journey)
    _decide(journey, number)
    page = journey.page(people.insurer)
    page.goto(f"{site.url}/settled")
    page.get_by_label("Case").fill(journey.number)
    page.get_by_role("button", name="Narrow").click()
    assert page.get_by_role("link", name=number).is_visible()


def _insured(journey: Any) -> str:
    """The number of the insurance claim that the case has brought about."""
    asked = (
        "SELECT i.number FROM insurance_claims i JOIN cases c ON c.id = i.case_id "
        "WHERE c.number = :number"
    )
    journey.wait(lambda: journey.site.value(asked, number=journey.number) is not None)
    return journey.site.value(asked, number=journey.number).number


def _decide(journey: Any, number: str) -> None:
    page = journey.page(journey.site.people.insurer)
    page.goto(journey.site.url)
    page.get_by_role("link", name=number).click()
    page.get_by_label("Amount in EUR").fill("40.00")
    page.get_by_label("Grounds").fill("The ruling shows the loss.")
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("button", name="Pay €40.00").click()
    page.wait_for_load_state()
    assert "Paid" in page.locator("main .tag").first.inner_text()
    page.close()


def test_a_seller_accepts(journey, any_browser):
    journey = journey(**any_browser)
    journey.file()
    journey.act(journey.site.people.seller, "accept_claim")
    journey.wait(lambda: journey.state == "closed")
    assert journey.site.row(journey.number).outcome == "settled"


def test_an_offer_is_accepted(journey, any_browser):
    journey = journey(**any_browser)
    people = journey.site.people
    journey.file()
    journey.act(people.seller, "contest", _contest)
    journey.act(people.seller, "make_offer", _terms("PARTIAL_REFUND", "70.00"))
    journey.act(people.buyer, "accept_offer")
    journey.wait(lambda: journey.state == "closed")
    assert "€70.00" in journey.case(people.buyer).locator("aside").inner_text()


def test_a_claim_is_withdrawn(journey, any_browser):
    journey = journey(**any_browser)
    journey.file()
    journey.act(journey.site.people.buyer, "withdraw", _text("reason", "It works after all."))
    assert journey.site.row(journey.number).outcome == "withdrawn"


def test_a_silent_seller_grants_the_request(journey, any_browser):
    journey = journey(**any_browser)
    journey.file()
    page = journey.page(journey.site.people.buyer)
    for days in ("3 days", "3 days"):
        page.goto(f"{journey.site.url}/demo")
        page.get_by_role("button", name=days).click()
    journey.wait(lambda: journey.state == "granted_by_default")
    page.goto(f"{journey.site.url}/cases/{journey.number}")
    assert "The request took effect because no answer came." in page.content()


def test_what_is_wrong_is_told_at_the_form_and_nothing_is_lost(journey, any_browser):
    journey = journey(**any_browser)
    journey.file()
    journey.act(journey.site.people.seller, "contest", _contest)
    page = journey.case(journey.site.people.seller)
    form = page.locator("#act-make_offer")
    form.locator("> summary").click()
    _terms("PARTIAL_REFUND", "1290.00")(form)
    form.locator("[name=message]").fill("Take it.")
    form.locator("form button").last.click()
    page.wait_for_load_state()
    form = page.locator("#act-make_offer")
    assert form.get_by_role("alert").is_visible()
    assert form.locator("[name=message]").input_value() == "Take it."
    _terms("PARTIAL_REFUND", "12.90")(form)
    form.locator("form button").last.click()
    page.wait_for_url("**done=make_offer*")


def _look(page: Any) -> None:
    """No violation in either theme, and nothing sideways on a phone."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{page.url} {theme}\n{found.generate_report()}"
    size = page.viewport_size
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], page.url
    page.set_viewport_size(size)


def test_every_page_is_for_everybody(journey):
    journey = journey(bypass_csp=True)
    people, site = journey.site.people, journey.site
    journey.file(look=_look)
    journey.act(people.seller, "accept_claim")
    journey.wait(lambda: journey.state == "closed")
    insured = _insured(journey)
    _to_ruling(journey)
    exhibit = journey.case(people.buyer).locator(".exhibits a").first.get_attribute("href")
    arbitrator = site.neutral(journey.number, "arbitrator")
    mediator = site.neutral(_mediated(journey), "mediator")
    seen = {
        people.buyer: ["/", "/notices", "/profile", "/how", "/nothing", exhibit, "/demo"],
        people.seller: ["/", f"/cases/{journey.number}"],
        people.insurer: ["/", "/settled", f"/insurance/{insured}"],
        arbitrator: [f"/cases/{journey.number}"],
        mediator: ["/"],
    }
    for viewer, paths in seen.items():
        page = journey.page(viewer)
        for path in paths:
            page.goto(site.url + path)
            _look(page)
    page = journey.page(people.buyer)
    page.context.add_cookies([{"name": "concord_language", "value": "zh", "url": site.url}])
    for path in ("/", f"/cases/{journey.number}", "/claims/new", "/how"):
        page.goto(site.url + path)
        _look(page)
    page.context.clear_cookies()
    for path in ("/", "/sign-in", "/demo", f"/sign-in/{site.link(people.buyer)}"):
        page.goto(site.url + path)
        _look(page)


def _mediated(journey: Any) -> str:
    """A case in mediation, looked at by its mediator and its buyer."""
    ruled = journey.number
    _to_mediation(journey)
    number = journey.number
    mediator = journey.site.neutral(number, "mediator")
    journey.act(mediator, "disclose")
    for viewer in (mediator, journey.site.people.buyer):
        _look(journey.case(viewer))
    journey.number = ruled
    return number


def test_everything_is_done_from_the_keyboard(journey):
    journey = journey()
    journey.file()
    page = journey.case(journey.site.people.seller)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#act-acknowledge > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**done=acknowledge*")
