"""The main job over HTTP to its end, as a timeline: what anybody's program would send.

Every step speaks GraphQL (the pages' own documents) to the server at ``url``, signed in as the
person concerned; files go up as they do from a browser; the bundle is verified by another process.
"""

import asyncio
import hashlib
import re
import secrets
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from infra.demo import cast, scenery, scenes
from infra.parts import Parts
from odr.money import Money
from web import reading

_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')
Values = dict[str, Any]


class Broken(AssertionError):  # noqa: N818 - said as one would say it
    """A step that did not hold."""


def _hold(holds: object, what: str) -> None:
    if not holds:
        raise Broken(what)


@dataclass(slots=True)
class Person:
    """Somebody who is signed in, over HTTP."""

    name: str
    client: httpx.AsyncClient
    csrf: str = ""

    async def read(self, document: str, **variables: Any) -> Values:
        """Run a document of the pages'."""
        answer = await self.client.post(
            "/graphql", json={"query": reading.document(document), "variables": variables}
        )
        told = answer.json()
        _hold(answer.is_success and "errors" not in told, f"{document}: {answer.text[:400]}")
        data: Values = told["data"]
        return data

    async def act(self, act: str, **values: Any) -> Values:
        """Do an act; its payload."""
        values.setdefault("idempotencyKey", secrets.token_urlsafe(12))
        data = await self.read(act, input=values)
        payload: Values = next(iter(data.values()))
        _hold(not payload["userErrors"], f"{self.name}, {act}: {payload['userErrors']}")
        return payload

    async def case(self, number: str) -> Values:
        """The case page's own document."""
        found: Values = (await self.read("case", number=number))["case"]
        return found

    async def give(self, picture: str, kind: str, title: str) -> Values:
        """Upload a picture, with its digest told beforehand."""
        data = scenery.drawing(picture)
        digest = b64encode(hashlib.sha256(data).digest()).decode()
        answer = await self.client.put(
            "/uploads",
            content=data,
            headers={
                "content-type": "image/png" if picture.endswith("png") else "image/jpeg",
                "repr-digest": f"sha-256=:{digest}:",
                "x-filename": picture,
                "x-csrf-token": self.csrf,
            },
        )
        _hold(answer.is_success, f"upload: {answer.text}")
        return {"uploadId": answer.json()["id"], "kind": kind, "title": title}


@dataclass(slots=True)
class Timeline:
    """Prints what happened, and when since the beginning."""

    began: float = field(default_factory=time.monotonic)
    steps: int = 0

    def say(self, who: str, what: str) -> None:
        """One line."""
        self.steps += 1
        passed = time.monotonic() - self.began
        sys.stdout.write(f"  {passed:5.1f} s  {who:<24} {what}\n")
        sys.stdout.flush()

    def head(self, title: str) -> None:
        """A heading."""
        sys.stdout.write(f"\n{title}\n")
        sys.stdout.flush()


@dataclass(slots=True)
class Check:
    """The run: accounts by name, who is signed in, the timeline; ``receipt_key`` is the vault's.

    ``transport`` carries the requests, and may make that hard; ``patience_seconds`` is how long
    worker and rail may take.
    """

    url: str
    accounts: Mapping[str, UUID]
    receipt_key: str
    stack: AsyncExitStack
    line: Timeline = field(default_factory=Timeline)
    transport: httpx.AsyncBaseTransport | None = None
    patience_seconds: int = 40
    people: dict[str, Person] = field(default_factory=dict)

    async def person(self, name: str) -> Person:
        """Sign in as somebody, once, by the demonstration's own page."""
        if name not in self.people:
            client = httpx.AsyncClient(
                base_url=self.url,
                follow_redirects=True,
                timeout=30,
                trust_env=False,
                transport=self.transport,
            )
            await self.stack.enter_async_context(client)
            page = (await client.get("/demo")).text
            form = {"csrf": _found(page), "account": str(self.accounts[name])}
            home = await client.post("/demo", data=form)
            _hold(home.is_success, f"sign in as {name}: {home.status_code}")
            self.people[name] = Person(name, client, _found(home.text))
        return self.people[name]

    async def until(self, what: str, holds: Callable[[Values], object], number: str) -> Values:
        """Wait for the worker and the rail to have done something."""
        buyer = self.people["Marlene Hößler"]
        for _ in range(self.patience_seconds * 4):
            case = await buyer.case(number)
            if holds(case):
                return case
            await asyncio.sleep(0.25)
        raise Broken(f"{what} did not happen within {self.patience_seconds} s")


def _found(page: str) -> str:
    match = _CSRF.search(page)
    if match is None:
        raise Broken("the page has no form")
    return match[1]


def _refund(sale: str, percent: int) -> Values:
    given = scenes.refund(sale, percent)
    item = given.items[0]
    return {
        "currency": given.currency,
        "items": [{"remedy": item.remedy.name, "amountMinor": item.amount_minor}],
    }


async def _filed(check: Check, buyer: Person, sale: str, reason: str, **more: Any) -> Values:
    orders = (await buyer.read("claimable"))["orders"]["nodes"]
    order = next(each for each in orders if each["reference"] == f"MB-{sale}")
    payload = await buyer.act(
        "acts/file",
        orderId=order["id"],
        reason=reason,
        statement="It is not as it should be; the photos show it.",
        terms=_refund(sale, 100),
        **more,
    )
    case: Values = payload["case"]
    check.line.say(buyer.name, f"files a claim on MB-{sale}: case {case['number']}")
    return case


async def _negotiated(check: Check, buyer: Person, seller: Person) -> Values:
    photos = [
        await buyer.give("crushed.jpg", "PACKAGING_PHOTO", "The parcel before unpacking"),
        await buyer.give("vase.jpg", "PRODUCT_PHOTO", "What was in it"),
    ]
    case = await _filed(check, buyer, "0118", "DAMAGED_IN_TRANSIT", exhibits=photos)
    bill = await seller.give("waybill.png", "WAYBILL", "The waybill")
    await seller.act(
        "acts/contest", caseId=case["id"], statement="It left us whole.", exhibits=[bill]
    )
    check.line.say(seller.name, "contests the claim, with a waybill")
    await seller.act(
        "acts/make_counter_offer", caseId=case["id"], terms=_refund("0118", 25), message="A part."
    )
    check.line.say(seller.name, "makes a counter-offer of 25 percent")
    shown = await buyer.case(case["number"])
    await buyer.act("acts/reject_counter_offer", offerId=shown["offers"][0]["id"])
    check.line.say(buyer.name, "rejects it: the case goes to mediation")
    return case


async def _mediated(check: Check, buyer: Person, seller: Person, case: Values) -> None:
    shown = await buyer.case(case["number"])
    mediator = await check.person(shown["neutral"]["name"])
    await mediator.act("acts/disclose", caseId=case["id"], disclosure="")
    check.line.say(mediator.name, "takes the mediator's seat, without interests")
    await buyer.act(
        "acts/send_caucus_message", caseId=case["id"], body="I could live with 80 percent."
    )
    check.line.say(buyer.name, "writes to the mediator in confidence")
    await mediator.act(
        "acts/propose_terms", caseId=case["id"], terms=_refund("0118", 70), reasons="Halfway."
    )
    check.line.say(mediator.name, "proposes 70 percent")
    proposal = (await buyer.case(case["number"]))["proposals"][0]["id"]
    await buyer.act("acts/accept_proposal", proposalId=proposal)
    hidden = (await seller.case(case["number"]))["proposals"][0]["claimantAccepts"]
    _hold(hidden is None, "the buyer's answer is hidden until both have answered")
    await seller.act("acts/reject_proposal", proposalId=proposal)
    check.line.say(seller.name, "refuses; the answers are revealed")
    await buyer.act("acts/request_arbitration", caseId=case["id"])
    check.line.say(buyer.name, "asks for a ruling: the case goes to arbitration")


async def _ruled(check: Check, buyer: Person, seller: Person, case: Values) -> Values:
    shown = await buyer.case(case["number"])
    arbitrator = await check.person(shown["neutral"]["name"])
    await arbitrator.act("acts/disclose", caseId=case["id"], disclosure="")
    seen = await arbitrator.case(case["number"])
    walled = [seen["proposals"], seen["caucusMessages"]]
    walled += [e for e in seen["record"]["nodes"] if e["channel"] != "RECORD"]
    _hold(walled == [[], []], "the arbitrator reads nothing of the mediation")
    check.line.say(arbitrator.name, "takes the arbitrator's seat; sees nothing of the mediation")
    exhibits = {each["label"]: each["id"] for each in seen["exhibits"]}
    await seller.act(
        "acts/answer_exhibit", exhibitId=exhibits["A-1"], body="The corner was whole at our door."
    )
    check.line.say(seller.name, "answers exhibit A-1")
    for side in (buyer, seller):
        await side.act("acts/rest", caseId=case["id"])
    closed = await arbitrator.case(case["number"])
    _hold(closed["recordRoot"], "the record is closed")
    check.line.say("both sides", f"have nothing to add: root {closed['recordRoot'][:16]}…")
    await arbitrator.act(
        "acts/rule",
        caseId=case["id"],
        kind="GRANTED_IN_PART",
        findings=[
            {
                "issue": "Was it damaged on the way?",
                "body": "The crack begins behind the crushed corner.",
                "exhibits": [exhibits["A-1"], exhibits["A-2"]],
            }
        ],
        notReliedOn=[{"exhibit": exhibits["B-1"], "why": "It says nothing of the condition."}],
        reasons="Until delivery the risk is the seller's.",
        terms=_refund("0118", 90),
    )
    check.line.say(arbitrator.name, "rules: 90 percent, with findings, reasons and B-1 set aside")
    for side in (buyer, seller):
        await side.act("acts/waive_appeal", caseId=case["id"])
    check.line.say("both sides", "waive the appeal: the ruling is final")
    return closed


def _shown(amount: Values) -> str:
    return str(Money(int(amount["amountMinor"]), amount["currency"]))


async def _performed(check: Check, case: Values) -> None:
    done = await check.until("payment", lambda c: c["stage"] == "CLOSED", case["number"])
    (payout,) = done["payouts"]
    _hold(payout["state"] == "PAID", "the refund is paid")
    _hold(payout["amount"] == done["granted"], "what is paid is what was granted")
    shown = _shown(payout["amount"])
    check.line.say("payment rail", f"pays {shown} once, as {payout['reference']}; case closed")


async def _insured(check: Check, case: Values) -> None:
    insurer = await check.person(cast.UNDERWRITER.name)
    home = (await insurer.read("home"))["insuranceClaims"]["nodes"]
    _hold(home, "the insurer was notified")
    number = home[0]["number"]
    claim = (await insurer.read("insurance_claim", number=number))["insuranceClaims"]["nodes"][0]
    _hold(claim["case"]["number"] == case["number"], "the claim is about the case")
    check.line.say(insurer.name, f"is notified: {number}, {_shown(claim['claimed'])}")
    await insurer.act(
        "decide_insurance_claim",
        insuranceClaimId=claim["id"],
        approveMinor=claim["claimed"]["amountMinor"],
        grounds="Covered; the ruling shows the loss.",
    )
    check.line.say(insurer.name, "approves it")
    await insurer.act("pay_insurance_claim", insuranceClaimId=claim["id"])
    check.line.say(insurer.name, "pays whoever bore the loss")
    found = (await insurer.read("settled", first=50))["settledClaims"]["nodes"]
    _hold(number in {each["number"] for each in found}, "it is among the settled claims")
    check.line.say(insurer.name, "finds the case among the settled claims")


async def _verified(check: Check, buyer: Person, case: Values) -> None:
    answer = await buyer.client.get(f"/cases/{case['number']}/bundle")
    _hold(answer.is_success, "the bundle is exported")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.zip"
        await asyncio.to_thread(path.write_bytes, answer.content)
        check.line.say(buyer.name, f"downloads the record, {len(answer.content):,} bytes")
        listed = await buyer.client.get("/log/", headers={"accept": "application/json"})
        keys = [check.receipt_key]
        keys += [key for log in listed.json()["logs"] for key in log["verifierKeys"]]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "evidence",
            "verify",
            str(path),
            *(word for key in keys for word in ("--key", key)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    check.line.head("The verifier, a process of its own, says:")
    sys.stdout.write("".join(f"  {line}\n" for line in said.decode().splitlines()))
    _hold(process.returncode == 0, "the record verifies")


async def _short_ways(check: Check) -> None:
    check.line.head("The short ways")
    marlene = await check.person("Marlene Hößler")
    grace, kenji = await check.person("Grace Turner"), await check.person("Kenji Sato")
    amira = await check.person("Amira Haddad")
    weiming, paula = await check.person("Lin Weiming"), await check.person("Paula Reuter")
    case = await _filed(check, marlene, "0128", "DEFECTIVE")
    await weiming.act("acts/accept_claim", caseId=case["id"])
    check.line.say(weiming.name, "accepts the claim: settled")
    case = await _filed(check, kenji, "0121", "DEFECTIVE")
    await paula.act("acts/contest", caseId=case["id"], statement="It works here.")
    await paula.act("acts/make_offer", caseId=case["id"], terms=_refund("0121", 40))
    offer = (await kenji.case(case["number"]))["offers"][0]["id"]
    await kenji.act("acts/accept_offer", offerId=offer)
    check.line.say(kenji.name, "accepts an offer: settled")
    case = await _filed(check, grace, "0129", "DEFECTIVE")
    await grace.act("acts/withdraw", caseId=case["id"])
    check.line.say(grace.name, "withdraws the claim: closed")
    case = await _filed(check, amira, "0123", "NOT_RECEIVED")
    await amira.act("move_time", days=6)
    check.line.say("time", "moves on by six days; the seller is silent, sessions are over")
    check.people.clear()
    amira = await check.person("Amira Haddad")
    for _ in range(check.patience_seconds * 4):
        shown = await amira.case(case["number"])
        if shown["state"] == "DEFAULTED":
            break
        await asyncio.sleep(0.25)
    _hold(shown["outcome"] == "DEFAULTED", "the clock grants the request")
    check.line.say("clock", "grants the buyer's request by default")


async def main_job(check: Check) -> Values:
    """The main job to its end; the case. ``Broken`` at the first step that does not hold."""
    buyer, seller = await check.person("Marlene Hößler"), await check.person("Paula Reuter")
    case = await _negotiated(check, buyer, seller)
    await _mediated(check, buyer, seller, case)
    await _ruled(check, buyer, seller, case)
    await _performed(check, case)
    await _insured(check, case)
    await _verified(check, buyer, case)
    return case


async def run(url: str, made: Parts) -> int:
    """Run the main job and the short ways; 0 only if every step held."""
    accounts = {each.name: each.account_id for each in await cast.people(made.office)}
    async with AsyncExitStack() as stack:
        check = Check(url, accounts, str(made.vault.receipt_key), stack)
        check.line.head(f"The main job, over HTTP to {url}")
        try:
            await main_job(check)
            await _short_ways(check)
        except Broken as broken:
            sys.stdout.write(f"\nNOT HELD: {broken}\n")
            return 1
    passed = time.monotonic() - check.line.began
    sys.stdout.write(f"\n{check.line.steps} steps held in {passed:.1f} s.\n")
    return 0
