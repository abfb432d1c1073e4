"""A form for every act that people do, from one table: its fields, and how they become an input.

What a form may say (the remedies and their highest amounts) comes from the API with the act; the
names of fields here are those of the mutation's input. A test compares the forms with the acts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.datastructures import FormData, UploadFile

from odr import money
from odr.errors import Invalid
from odr.procedure.acts import Act

ROWS: Final = 3
"""Rows of terms, findings and files that a form offers at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that a form asks for.

    ``kind``: area, terms, amount, currency (the order's; not asked), files, file, offer (open, of
    the other side), own_offer, proposal, request (for information, open to one's own side), exhibit
    (of the other side), finding (named by the exhibit's page), walled (own, in mediation), side,
    asked (a side, of neutrals), ruling (kind), ground (of an appeal), findings, unrelied.
    """

    name: str
    kind: str
    label: str
    help: str = ""
    required: bool = True
    longest: int = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The fields of an act's form; ``danger`` for what cannot be taken back."""

    fields: Sequence[Field] = ()
    button: str
    danger: bool = False


_MESSAGE: Final = Field(
    name="message", kind="area", label="A message with it", required=False, longest=4000
)
_REASON: Final = Field(name="reason", kind="area", label="Why?", required=False, longest=4000)
_TERMS: Final = Field(name="terms", kind="terms", label="Terms")
_OFFER: Final = Field(name="offerId", kind="offer", label="Which offer?")
_PROPOSAL: Final = Field(name="proposalId", kind="proposal", label="Which proposal?")
_BID: Final = (
    Field(
        name="amountMinor",
        kind="amount",
        label="What goes back to the buyer",
        help=(
            "The buyer names the least that they accept, the seller the most that they offer. If"
            " the bids meet, the middle settles the case. If not, both are destroyed and nobody"
            " learns them. A bid cannot be changed or taken back; keep a note of it, since it is"
            " not shown to you again either."
        ),
    ),
    Field(name="currency", kind="currency", label=""),
)
_STATEMENT: Final = Field(
    name="statement",
    kind="area",
    label="Your position",
    help="What happened, in your words. The other side reads this.",
    longest=20000,
)

_DECISION: Final = (
    Field(name="kind", kind="ruling", label="The claim is"),
    Field(name="findings", kind="findings", label="Findings"),
    Field(name="notReliedOn", kind="unrelied", label="Exhibits not relied on, and why"),
    Field(name="reasons", kind="area", label="Reasons", longest=40000),
    Field(name="terms", kind="terms", label="Terms", required=False),
)

FORMS: Final[Mapping[Act, Form]] = {
    Act.ACKNOWLEDGE: Form(button="I have seen it"),
    Act.ACCEPT_CLAIM: Form(button="Accept the claim", danger=True),
    Act.CONTEST: Form(
        fields=(
            _STATEMENT,
            Field(name="exhibits", kind="files", label="Your evidence", required=False),
        ),
        button="Contest the claim",
    ),
    Act.MODIFY_CLAIM: Form(
        fields=(
            Field(
                name="statement",
                kind="area",
                label="What happened",
                help="All of it, as it shall stand. If you ask for more, the other side's window"
                " runs anew.",
                longest=20000,
            ),
            Field(name="terms", kind="terms", label="What you want"),
        ),
        button="Change the claim",
    ),
    Act.WITHDRAW: Form(fields=(_REASON,), button="Withdraw the claim", danger=True),
    Act.MAKE_OFFER: Form(fields=(_TERMS, _MESSAGE), button="Make the offer"),
    Act.MAKE_COUNTER_OFFER: Form(fields=(_TERMS, _MESSAGE), button="Make the counter-offer"),
    Act.ACCEPT_OFFER: Form(fields=(_OFFER,), button="Accept the offer", danger=True),
    Act.REJECT_OFFER: Form(fields=(_OFFER, _REASON), button="Reject the offer"),
    Act.REJECT_COUNTER_OFFER: Form(
        fields=(_OFFER, _REASON), button="Reject it and ask for a mediator"
    ),
    Act.REVOKE_OFFER: Form(
        fields=(Field(name="offerId", kind="own_offer", label="Which offer?"),),
        button="Take it back",
    ),
    Act.PLACE_BID: Form(fields=_BID, button="Seal and place the bid"),
    Act.REQUEST_INTERVENTION: Form(fields=(_REASON,), button="Ask for a mediator"),
    Act.SEND_MESSAGE: Form(
        fields=(
            Field(name="body", kind="area", label="Message"),
            Field(
                name="asks",
                kind="asked",
                label="Ask a side for a picture or film that shows a code",
                help="The code is made when you send; what was made before does not show it.",
                required=False,
            ),
        ),
        button="Send",
    ),
    Act.SUBMIT_EXHIBIT: Form(
        fields=(Field(name="exhibit", kind="file", label="The file"),), button="Add the exhibit"
    ),
    Act.ANSWER_EXHIBIT: Form(
        fields=(
            Field(name="exhibitId", kind="exhibit", label="Which exhibit?"),
            Field(name="findingId", kind="finding", label="", required=False),
            Field(name="body", kind="area", label="What do you say of it?", longest=4000),
        ),
        button="Answer",
    ),
    Act.RELEASE_EXHIBIT: Form(
        fields=(Field(name="exhibitId", kind="walled", label="Which exhibit?"),),
        button="Let the arbitrator see it",
    ),
    Act.DISCLOSE: Form(
        fields=(
            Field(
                name="disclosure",
                kind="area",
                label="Interests in this case",
                help="Leave it empty if there are none. Both sides read this.",
                required=False,
                longest=4000,
            ),
        ),
        button="Declare and take the seat",
    ),
    Act.SEND_CAUCUS_MESSAGE: Form(
        fields=(
            Field(name="withSide", kind="side", label="To whom?", required=False),
            Field(name="body", kind="area", label="In confidence"),
        ),
        button="Send in confidence",
    ),
    Act.PROPOSE_TERMS: Form(
        fields=(_TERMS, Field(name="reasons", kind="area", label="Why these terms?")),
        button="Propose",
    ),
    Act.ACCEPT_PROPOSAL: Form(fields=(_PROPOSAL,), button="Accept the proposal", danger=True),
    Act.REJECT_PROPOSAL: Form(fields=(_PROPOSAL,), button="Reject the proposal"),
    Act.DECLARE_IMPASSE: Form(button="Declare an impasse", danger=True),
    Act.REQUEST_ARBITRATION: Form(button="Ask for a ruling"),
    Act.CONSENT: Form(button="I agree to be bound"),
    Act.DECLINE_CONSENT: Form(button="I do not agree to be bound"),
    Act.REQUEST_INFORMATION: Form(
        fields=(
            Field(name="side", kind="side", label="To whom?"),
            Field(
                name="question",
                kind="area",
                label="What do you ask?",
                help="Both sides read it, and the answer.",
            ),
        ),
        button="Ask",
    ),
    Act.ANSWER_REQUEST: Form(
        fields=(
            Field(name="requestId", kind="request", label="Which question?"),
            Field(name="body", kind="area", label="Your answer"),
            Field(name="exhibits", kind="files", label="Your evidence", required=False),
        ),
        button="Answer",
    ),
    Act.REST: Form(button="I have nothing to add"),
    Act.CLOSE_RECORD: Form(button="Close the record", danger=True),
    Act.RULE: Form(fields=_DECISION, button="Sign and issue the ruling", danger=True),
    Act.REQUEST_CORRECTION: Form(
        fields=(
            Field(
                name="body",
                kind="area",
                label="What is wrong, and how should it read?",
                help="A slip: a name, a date, a sum. Whoever disagrees with the ruling appeals.",
            ),
        ),
        button="Ask for the correction",
    ),
    Act.CORRECT_RULING: Form(
        fields=(
            Field(name="body", kind="area", label="What was wrong, and how does it read?"),
            Field(name="terms", kind="terms", label="The right terms", required=False),
        ),
        button="Correct the ruling",
        danger=True,
    ),
    Act.WAIVE_APPEAL: Form(button="I will not appeal"),
    Act.APPEAL: Form(
        fields=(
            Field(name="ground", kind="ground", label="On what ground?"),
            Field(
                name="statement",
                kind="area",
                label="What is new, or what was not kept to?",
                help="Another arbitrator decides, for good. New evidence belongs here.",
                longest=20000,
            ),
            Field(name="exhibits", kind="files", label="Your evidence", required=False),
        ),
        button="Appeal",
        danger=True,
    ),
    Act.AFFIRM_RULING: Form(
        fields=(Field(name="reasons", kind="area", label="Reasons", longest=40000),),
        button="Affirm the ruling",
        danger=True,
    ),
    Act.VARY_RULING: Form(fields=_DECISION, button="Vary the ruling", danger=True),
    Act.SET_ASIDE_RULING: Form(fields=_DECISION, button="Set aside and decide anew", danger=True),
}
"""Every act that people do in a case; filing has a page of its own."""


def read(act: Act, given: FormData, currency: str) -> dict[str, Any]:
    """The input that a posted form gives, without the files; ``Invalid`` names a wrong field."""
    values: dict[str, Any] = {}
    for field in FORMS[act].fields:
        value = _value(field, given, currency)
        if value is not None:
            values[field.name] = value
    return values


def _value(field: Field, given: FormData, currency: str) -> Any:
    match field.kind:
        case "files" | "file":
            return None
        case "terms":
            return terms(given, currency, required=field.required)
        case "amount":
            typed = str(given.get(field.name, "")).strip()
            return money.parse(typed, currency, path=(field.name,)).amount_minor
        case "findings":
            return _findings(given)
        case "unrelied":
            return _unrelied(given)
        case _:
            text = currency if field.kind == "currency" else str(given.get(field.name, "")).strip()
            return text if text or field.required else None


def terms(given: FormData, currency: str, *, required: bool = True) -> dict[str, Any]:
    """Terms from the rows of a form: a row without a remedy is left out."""
    items: list[dict[str, Any]] = []
    for n in range(ROWS):
        remedy = str(given.get(f"terms-{n}-remedy", ""))
        if not remedy:
            continue
        item: dict[str, Any] = {"remedy": remedy}
        amount = str(given.get(f"terms-{n}-amount", "")).strip()
        if amount:
            path = ("terms", "items", len(items), "amountMinor")
            item["amountMinor"] = money.parse(amount, currency, path=path).amount_minor
        line = str(given.get(f"terms-{n}-line", ""))
        if line.isdecimal():
            item["orderLine"] = int(line)
        note = str(given.get(f"terms-{n}-note", "")).strip()
        if note:
            item["note"] = note
        items.append(item)
    if required and not items:
        raise Invalid(("terms",), "missing")
    return {"currency": currency, "items": items}


def _findings(given: FormData) -> list[dict[str, Any]]:
    found = []
    for n in range(ROWS):
        issue = str(given.get(f"finding-{n}-issue", "")).strip()
        body = str(given.get(f"finding-{n}-body", "")).strip()
        if issue or body:
            cited = [str(each) for each in given.getlist(f"finding-{n}-exhibits")]
            found.append({"issue": issue, "body": body, "exhibits": cited})
    return found


def _unrelied(given: FormData) -> list[dict[str, Any]]:
    return [
        {"exhibit": name.removeprefix("unrelied-"), "why": str(value).strip()}
        for name, value in given.multi_items()
        if name.startswith("unrelied-") and str(value).strip()
    ]


@dataclass(frozen=True, slots=True)
class Attached:
    """A file in a form, with what its giver says of it, by the names of the input.

    ``file`` is the id of an upload where the page's script sent it ahead.
    """

    file: UploadFile | str
    kind: str
    title: str
    more: Mapping[str, Any]


def attached(given: FormData, currency: str = "", zone: str = "UTC") -> list[Attached]:
    """The files of a form, rows without a file left out; times are those of ``zone``."""
    found = []
    for n in range(ROWS):
        file, named = given.get(f"file-{n}"), str(given.get(f"file-{n}-uploadName", ""))
        if isinstance(file, UploadFile) and file.filename:
            named = file.filename
        else:
            file = str(given.get(f"file-{n}-upload", ""))
        if file:
            title = str(given.get(f"file-{n}-title", "")).strip() or named or "file"
            kind = str(given.get(f"file-{n}-kind", "OTHER"))
            more = _more(given, f"file-{n}", currency, zone)
            found.append(Attached(file, kind, title[:200], more))
    return found


VOUCHER: Final[Mapping[str, str]] = {
    "carrier": "Carrier",
    "trackingNumber": "Tracking number",
    "number": "Number of the document",
    "issued": "Date",
    "deliveredAt": "Delivered on",
    "place": "Place",
    "recipient": "Recipient",
    "amount": "Total",
}
"""What the form asks of a document itself, by the names of the input, with labels."""


def _more(given: FormData, row: str, currency: str, zone: str) -> dict[str, Any]:
    """What a document says, and the request that it answers, where a form asks for them."""
    told = {name: str(given.get(f"{row}-{name}", "")).strip() for name in VOUCHER}
    voucher: dict[str, Any] = {name: said for name, said in told.items() if said}
    if amount := voucher.pop("amount", ""):
        path = ("exhibit", "voucher", "amountMinor")
        voucher["amountMinor"] = money.parse(amount, currency, path=path).amount_minor
        voucher["currency"] = currency
    if at := voucher.get("deliveredAt"):
        voucher["deliveredAt"] = _instant(at, zone)
    more: dict[str, Any] = {"voucher": voucher} if voucher else {}
    if challenge := str(given.get(f"{row}-challenge", "")):
        more["challengeId"] = challenge
    return more


def _instant(said: str, zone: str) -> str:
    """A browser's local date and time (HTML, 2.3.5.5) as an instant."""
    try:
        return datetime.fromisoformat(said).replace(tzinfo=ZoneInfo(zone)).isoformat()
    except (ValueError, ZoneInfoNotFoundError):
        raise Invalid(("exhibit", "voucher", "deliveredAt"), "malformed") from None
