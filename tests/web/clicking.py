"""A case in a real browser: whoever acts in it has a page of their own and clicks."""

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

from tests.web.conftest import PNG

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PHOTO = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG}
PATIENCE_SECONDS = 30


def until(reached: Any, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for what the site's worker does in a thread of its own, or a process on its own."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@dataclass
class Journey:
    """One case; pages are opened as ``chosen`` (with JavaScript or without, in a language)."""

    site: Any
    chromium: Any
    stack: contextlib.ExitStack
    chosen: dict[str, Any] = field(default_factory=dict)
    number: str = ""
    opened: dict[Any, Any] = field(default_factory=dict)

    def page(self, viewer: Any = None) -> Any:
        """The page of somebody who is signed in, or of a stranger."""
        if viewer not in self.opened:
            made = self.chromium.new_context(**{"viewport": DESK, "locale": "en"} | self.chosen)
            made.set_default_timeout(PATIENCE_SECONDS * 1000)
            self.stack.callback(made.close)
            if viewer is not None:
                cookie = {"name": "concord_session", "value": self.site.cookie(viewer)}
                made.add_cookies([cookie | {"url": self.site.url}])
            self.opened[viewer] = made.new_page()
        return self.opened[viewer]

    def go(self, viewer: Any, path: str = "/") -> Any:
        page = self.page(viewer)
        page.goto(self.site.url + path)
        return page

    def case(self, viewer: Any) -> Any:
        return self.go(viewer, f"/cases/{self.number}")

    def file(
        self, *, amount: str = "129.00", remedy: str = "FULL_REFUND", look: Any = None
    ) -> None:
        """The buyer files a claim by the guided form, with a photo; ``look`` sees each step."""
        seen = look or (lambda _: None)
        self.site.order()
        page = self.go(self.site.people.buyer)
        page.locator("table a[href^='/claims/new']").first.click()
        page.locator("[value=DAMAGED_IN_TRANSIT]").check()
        page.locator("[name=statement]").fill("It arrived broken.\nI have photos.")
        seen(page)
        self._go_on(page)
        page.locator("[name=terms-0-remedy]").select_option(remedy)
        page.locator("[name=terms-0-amount]").fill(amount)
        seen(page)
        self._go_on(page)
        page.locator("[name=file-0]").set_input_files(PHOTO)
        page.locator("[name=file-0-kind]").select_option("PRODUCT_PHOTO")
        page.locator("[name=file-0-title]").fill("The crack")
        page.locator("[name=add]").click()
        page.locator("[name=exhibit]").wait_for(state="attached")
        seen(page)
        self._go_on(page)
        page.locator("[value=review]").wait_for(state="attached")
        seen(page)
        self._go_on(page)
        page.wait_for_url("**/cases/*")
        self.number = re.search(r"/cases/([\d-]+)", page.url)[1]

    def _go_on(self, page: Any) -> None:
        page.locator("main form .button:not([name])").click()

    def act(self, viewer: Any, name: str, fill: Any = None) -> None:
        """Do an act by its form: open it, fill it in, press its button."""
        page = self.case(viewer)
        form = page.locator(f"#act-{name}")
        form.locator("> summary").click()
        if fill:
            fill(form)
        form.locator("form .button").click()
        page.wait_for_url(f"**done={name}*")
        assert page.get_by_role("status").first.is_visible()

    @property
    def state(self) -> str:
        return self.site.row(self.number).state

    def wait(self, state: str) -> None:
        until(lambda: self.state == state)

    def insured(self) -> str:
        """The number of the insurance claim that the case has brought about."""
        asked = (
            "SELECT i.number FROM insurance_claims i JOIN cases c ON c.id = i.case_id "
            "WHERE c.number = :number"
        )
        until(lambda: self.site.value(asked, number=self.number) is not None)
        return self.site.value(asked, number=self.number).number


def terms(remedy: str, amount: str) -> Any:
    def fill(form: Any) -> None:
        form.locator("[name=terms-0-remedy]").select_option(remedy)
        form.locator("[name=terms-0-amount]").fill(amount)

    return fill


def text(name: str, said: str) -> Any:
    return lambda form: form.locator(f"[name={name}]").fill(said)


def contest(form: Any) -> None:
    form.locator("[name=statement]").fill("It left us whole.")
    form.locator("[name=file-0]").set_input_files(PHOTO)
    form.locator("[name=file-0-kind]").select_option("WAYBILL")
    form.locator("[name=file-0-title]").fill("The waybill")


def propose(form: Any) -> None:
    terms("PARTIAL_REFUND", "80.00")(form)
    form.locator("[name=reasons]").fill("Both bear a part.")


def answer(form: Any) -> None:
    form.locator("[name=exhibitId]").first.check()
    form.locator("[name=body]").fill("That is another parcel.")


def rule(form: Any) -> None:
    form.locator("[name=kind][value=GRANTED_IN_PART]").check()
    form.locator("[name=finding-0-issue]").fill("Was it damaged on the way?")
    form.locator("[name=finding-0-body]").fill("The photo shows it.")
    form.locator("[name=finding-0-exhibits]").first.check()
    form.locator("[name^=unrelied-]").last.fill("It shows another parcel.")
    form.locator("[name=reasons]").fill("Until delivery the risk is the seller's.")
    terms("PARTIAL_REFUND", "100.00")(form)
