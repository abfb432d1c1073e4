"""The main job by mutations, step by step, so that a test can stop where it wants."""

from typing import Any

from odr import payouts
from odr.rails.manual import ManualRail
from tests.schema.house import House, key, refund


class Journey:
    """One case on its way from the claim to the insurer; ids are global."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.case = ""
        self.mediator: Any = None
        self.arbitrator: Any = None
        self.ids: dict[str, str] = {}

    async def filed(self) -> "Journey":
        house = self.house
        exhibit = {
            "uploadId": await house.upload(house.people.buyer),
            "kind": "PRODUCT_PHOTO",
            "title": "The speakers",
            "voucher": {"issuer": "Buyer", "issued": "2026-11-20"},
        }
        self.case = await house.file(exhibits=[exhibit])
        return self

    async def contested(self) -> "Journey":
        house = self.house
        exhibit = {
            "uploadId": await house.upload(house.people.seller, b"A waybill.\n"),
            "kind": "WAYBILL",
            "title": "The waybill",
        }
        await house.done(
            house.people.seller,
            "contest",
            caseId=self.case,
            statement="It left us whole.",
            exhibits=[exhibit],
        )
        return self

    async def countered(self) -> "Journey":
        made = await self.house.done(
            self.house.people.seller,
            "makeCounterOffer",
            caseId=self.case,
            terms=refund(3_000),
            message="For the scratches.",
        )
        self.ids["offer"] = made["offer"]["id"]
        return self

    async def mediated(self) -> "Journey":
        await self.house.done(
            self.house.people.buyer, "rejectCounterOffer", offerId=self.ids["offer"], reason="No."
        )
        self.mediator = await self._neutral(self.house.people.mediators)
        await self.house.done(self.mediator, "disclose", caseId=self.case)
        return self

    async def talked(self) -> "Journey":
        """What is said and shown behind the wall: caucus, an exhibit, an offer that stays open."""
        house, people = self.house, self.house.people
        said = await house.done(
            people.buyer, "sendCaucusMessage", caseId=self.case, body="I would take 80."
        )
        self.ids["caucus"] = said["message"]["id"]
        await house.done(
            self.mediator,
            "sendCaucusMessage",
            caseId=self.case,
            body="Think of 50.",
            withSide="RESPONDENT",
        )
        said = await house.done(
            people.seller, "sendMessage", caseId=self.case, body="We want to settle."
        )
        self.ids["message"] = said["message"]["id"]
        shown = await house.done(
            people.buyer,
            "submitExhibit",
            caseId=self.case,
            exhibit={
                "uploadId": await house.upload(people.buyer, b"For the mediator only.\n"),
                "kind": "STATEMENT",
                "title": "Between us",
            },
        )
        self.ids["walled"] = shown["exhibit"]["id"]
        made = await house.done(people.seller, "makeOffer", caseId=self.case, terms=refund(4_000))
        self.ids["walled_offer"] = made["offer"]["id"]
        return self

    async def proposed(self) -> "Journey":
        made = await self.house.done(
            self.mediator,
            "proposeTerms",
            caseId=self.case,
            terms=refund(6_000),
            reasons="Both have a point.",
        )
        self.ids["proposal"] = made["proposal"]["id"]
        return self

    async def heard(self) -> "Journey":
        house, people = self.house, self.house.people
        await house.done(people.buyer, "acceptProposal", proposalId=self.ids["proposal"])
        await house.done(people.seller, "rejectProposal", proposalId=self.ids["proposal"])
        await house.done(people.buyer, "requestArbitration", caseId=self.case)
        self.arbitrator = await self._neutral(people.arbitrators)
        await house.done(self.arbitrator, "disclose", caseId=self.case, disclosure="None.")
        return self

    async def deliberated(self) -> "Journey":
        house, people = self.house, self.house.people
        waybill = await self._exhibit("B-1")
        await house.done(
            people.buyer, "answerExhibit", exhibitId=waybill, body="It says nothing of the inside."
        )
        await house.done(people.buyer, "consent", caseId=self.case)
        await house.done(people.buyer, "rest", caseId=self.case)
        await house.done(people.seller, "rest", caseId=self.case)
        return self

    async def ruled(self) -> "Journey":
        made = await self.house.done(
            self.arbitrator,
            "rule",
            caseId=self.case,
            kind="GRANTED_IN_PART",
            findings=[
                {
                    "issue": "Was it broken?",
                    "body": "The photo shows it.",
                    "exhibits": [await self._exhibit("A-1")],
                }
            ],
            notReliedOn=[{"exhibit": await self._exhibit("B-1"), "why": "Says nothing of it."}],
            reasons="The goods were broken when they came.",
            terms=refund(9_000),
        )
        self.ids["ruling"] = made["ruling"]["id"]
        return self

    async def final(self) -> "Journey":
        house, people = self.house, self.house.people
        await house.done(people.buyer, "waiveAppeal", caseId=self.case)
        await house.done(people.seller, "waiveAppeal", caseId=self.case)
        return self

    async def paid(self) -> "Journey":
        house, operator = self.house, self.house.people.operator
        found = await house.ask(
            operator, "query($id: ID!) { case(id: $id) { payouts { id } } }", id=self.case
        )
        (payout,) = found["case"]["payouts"]
        self.ids["payout"] = payout["id"]
        while await payouts.step(house.office, ManualRail(), key(payout["id"])):
            pass
        await house.done(
            operator,
            "confirmPayout",
            payoutId=payout["id"],
            standing="PAID",
            bankReference="BANK-1",
        )
        return self

    async def insured(self) -> "Journey":
        house, insurer = self.house, self.house.people.insurer
        found = await house.ask(
            insurer, "{ insuranceClaims(first: 9) { nodes { id claimed { amountMinor } } } }"
        )
        (claim,) = found["insuranceClaims"]["nodes"]
        self.ids["insurance"] = claim["id"]
        await house.done(
            insurer,
            "decideInsuranceClaim",
            insuranceClaimId=claim["id"],
            approveMinor=claim["claimed"]["amountMinor"],
            grounds="Covered.",
        )
        await house.done(insurer, "payInsuranceClaim", insuranceClaimId=claim["id"])
        return self

    async def _neutral(self, roster: Any) -> Any:
        """Whoever of the roster sees the case."""
        for viewer in roster:
            found = await self.house.ask(
                viewer, "query($id: ID!) { case(id: $id) { id } }", id=self.case
            )
            if found["case"] is not None:
                return viewer
        raise AssertionError("nobody is appointed")

    async def _exhibit(self, label: str) -> str:
        found = await self.house.ask(
            self.house.people.buyer,
            "query($id: ID!) { case(id: $id) { exhibits { id label } } }",
            id=self.case,
        )
        return next(e["id"] for e in found["case"]["exhibits"] if e["label"] == label)


STEPS = (
    "filed",
    "contested",
    "countered",
    "mediated",
    "talked",
    "proposed",
    "heard",
    "deliberated",
    "ruled",
    "final",
    "paid",
    "insured",
)


async def until(house: House, last: str) -> Journey:
    """A case on which everything up to and with a step was done."""
    journey = Journey(house)
    for step in STEPS[: STEPS.index(last) + 1]:
        await getattr(journey, step)()
    return journey
