"""Cases in every stage, brought there by posting forms: what the looks look at."""

import contextlib
import re
from typing import Any

from tests.web.clicking import until
from tests.web.conftest import KEY, PNG, Browser

VERSION = re.compile(r'name="version" value="(\d+)"')
EXHIBIT = re.compile(r'name="finding-0-exhibits" value="([^"]+)"')
PHOTO = {"file-0": ("photo.png", PNG, "image/png")}
PAGES = (  # stage, who looks
    ("filed", "seller"),
    ("countered", "buyer"),
    ("mediated", "mediator"),
    ("mediated", "buyer"),
    ("heard", "arbitrator"),
    ("heard", "seller"),
    ("closed_record", "arbitrator"),
    ("ruled", "buyer"),
    ("ruled", "operator"),
    ("paid", "insurer"),
)


class Stages:
    """Makes a case in a stage when it is first asked for."""

    def __init__(self, site: Any, stack: contextlib.ExitStack) -> None:
        self.site = site
        self.stack = stack
        self.made: dict[str, str] = {}
        self.browsers: dict[Any, Browser] = {}

    def number(self, stage: str) -> str:
        """The number of a case in this stage."""
        if stage not in self.made:
            self.made[stage] = getattr(self, f"_{stage}")()
        return self.made[stage]

    def viewer(self, stage: str, role: str) -> Any:
        if role in {"mediator", "arbitrator"}:
            return self.site.neutral(self.number(stage), role)
        return self.site.viewer(role)

    def _browser(self, viewer: Any) -> Browser:
        if viewer not in self.browsers:
            self.browsers[viewer] = self.stack.enter_context(self.site.browser(viewer))
        return self.browsers[viewer]

    def decide(self, number: str) -> None:
        """The insurer pays an insurance claim, if that is not done."""
        browser, path = self._browser(self.site.people.insurer), f"/insurance/{number}"
        page = browser.get(path).text
        if 'value="decide"' in page:
            given = {"act": "decide", "decision": "approve", "amount": "40", "grounds": "Shown."}
            browser.post(path, form=given | {"key": KEY.search(page)[1]})
            key = KEY.search(browser.get(path).text)[1]
            assert browser.post(path, form={"act": "pay", "key": key}).status_code == 303

    def _post(self, viewer: Any, number: str, act: str, files: Any = None, **form: Any) -> None:
        browser = self._browser(viewer)
        path = f"/cases/{number}"
        page = browser.get(path).text
        form |= {"version": VERSION.search(page)[1], "key": KEY.search(page)[1]}
        answer = browser.post(f"{path}/acts/{act}", form=form, files=files)
        assert answer.status_code == 303, answer.text

    def _value(self, viewer: Any, number: str, name: str) -> str:
        """What the case's page holds under this name."""
        page = self._browser(viewer).get(f"/cases/{number}").text
        return re.search(rf'name="{name}" value="([^"]+)"', page)[1]

    def _filed(self) -> str:
        return self.site.case()

    def _countered(self) -> str:
        number, seller = self.site.case(), self.site.people.seller
        paper = {"file-0-kind": "WAYBILL", "file-0-title": "The waybill"}
        self._post(seller, number, "contest", PHOTO, statement="It left us whole.", **paper)
        given = {"terms-0-remedy": "PARTIAL_REFUND", "terms-0-amount": "30", "message": "Half?"}
        self._post(seller, number, "make_counter_offer", **given)
        buyer = self.site.people.buyer
        photo = {"file-0-kind": "PRODUCT_PHOTO", "file-0-title": "The crack"}
        self._post(buyer, number, "submit_exhibit", PHOTO, **photo)
        self._post(buyer, number, "send_message", body="Look at the photo.")
        return number

    def _mediated(self) -> str:
        number, buyer = self._countered(), self.site.people.buyer
        self._post(
            buyer, number, "reject_counter_offer", offerId=self._value(buyer, number, "offerId")
        )
        mediator = self.site.neutral(number, "mediator")
        self._post(mediator, number, "disclose", disclosure="I bought there once.")
        self._post(buyer, number, "send_caucus_message", body="Between us: 90.")
        given = {"terms-0-remedy": "PARTIAL_REFUND", "terms-0-amount": "80", "reasons": "Both."}
        self._post(mediator, number, "propose_terms", **given)
        return number

    def _heard(self) -> str:
        number, people = self._mediated(), self.site.people
        for viewer, act in ((people.buyer, "accept_proposal"), (people.seller, "reject_proposal")):
            proposal = self._value(viewer, number, "proposalId")
            self._post(viewer, number, act, proposalId=proposal)
        self._post(people.buyer, number, "request_arbitration")
        self._post(self.site.neutral(number, "arbitrator"), number, "disclose")
        self._post(people.buyer, number, "consent")
        return number

    def _closed_record(self) -> str:
        number = self._heard()
        self._post(self.site.neutral(number, "arbitrator"), number, "close_record")
        return number

    def _ruled(self) -> str:
        number = self._closed_record()
        arbitrator = self.site.neutral(number, "arbitrator")
        page = self._browser(arbitrator).get(f"/cases/{number}").text
        first, *others = dict.fromkeys(EXHIBIT.findall(page))
        given = {
            "kind": "GRANTED_IN_PART",
            "finding-0-issue": "Was it damaged on the way?",
            "finding-0-body": "The photo shows it.",
            "finding-0-exhibits": first,
            "reasons": "Until delivery the risk is the seller's.",
            "terms-0-remedy": "PARTIAL_REFUND",
            "terms-0-amount": "100",
        }
        self._post(
            arbitrator,
            number,
            "rule",
            **given | {f"unrelied-{each}": "It shows another parcel." for each in others},
        )
        return number

    def _paid(self) -> str:
        number = self._filed()
        self._post(self.site.people.seller, number, "accept_claim")
        until(lambda: self.site.row(number).state == "closed")
        return number
