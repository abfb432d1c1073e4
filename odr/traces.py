"""Traces: what an act's entry says that must stand in the tables, for what was said and shown.

Offers, bids, messages, exhibits, proposals and rulings: a function for each act, from its entry to
the rows that it left. What an act means for the case itself, its clocks and its seats is the
replay's (``odr.replay``). The module is pure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from evidence.body import Plaintext, Root
from odr import terms
from odr.models.states import (
    AppealDecision,
    BidState,
    Channel,
    Keeping,
    OfferState,
    ProposalState,
)
from odr.procedure.acts import Act, Role, State
from odr.words import Side

KEEPING: Final = frozenset(word.value for word in Keeping)
"""The entries of a record that are no acts of the procedure."""

Key = tuple[object, ...]
Row = dict[str, Any]

_CAUCUS: Final = {
    Channel.CLAIMANT_CAUCUS: Side.CLAIMANT,
    Channel.RESPONDENT_CAUCUS: Side.RESPONDENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a case's record, read: where it stands, and what its private body says."""

    channel: Channel
    stream: UUID
    seq: int
    at: datetime
    leaf: bytes
    act: Act
    said: Mapping[str, Any]
    blob: Plaintext | None = None
    root: Root | None = None

    @property
    def role(self) -> Role:
        """In which capacity it was done."""
        return Role(self.said["role"])

    @property
    def account(self) -> UUID | None:
        """Who did it; None for clocks and consequences."""
        given = self.said["account"]
        return None if given is None else UUID(given)


@dataclass(slots=True)
class Rows:
    """The rows that must be there, by table and key."""

    tables: dict[str, dict[Key, Row]] = field(default_factory=dict)

    def of(self, name: str) -> dict[Key, Row]:
        """The rows of a table that are expected so far."""
        return self.tables.setdefault(name, {})

    def put(self, name: str, *key: object, **row: Any) -> None:
        """Expect a row, or more of one that is expected already."""
        self.of(name).setdefault(key, {}).update(row)


def amount(given: Mapping[str, Any]) -> int:
    """What terms, as the record holds them, give the buyer; those of a dismissal are empty."""
    if not given["items"]:
        return 0
    return terms.to_buyer(terms.from_json(given)).amount_minor


def _offer(rows: Rows, entry: Entry, side: Side | None) -> None:
    said = entry.said
    due = next(each["due"] for each in said["clocks"] if each["subject"] == said["offer"])
    rows.put(
        "offers",
        UUID(said["offer"]),
        side=side,
        counter=entry.act is Act.MAKE_COUNTER_OFFER,
        channel=entry.channel,
        terms=said["terms"],
        amount_minor=amount(said["terms"]),
        message=said["message"],
        at=entry.at,
        valid_until=datetime.fromisoformat(due),
    )


_ENDS: Final = {
    Act.ACCEPT_OFFER: OfferState.ACCEPTED,
    Act.REJECT_OFFER: OfferState.REJECTED,
    Act.REJECT_COUNTER_OFFER: OfferState.REJECTED,
    Act.REVOKE_OFFER: OfferState.REVOKED,
    Act.LAPSE_OFFER: OfferState.LAPSED,
}


def _end_offer(rows: Rows, entry: Entry, _: Side | None) -> None:
    # The entry that ends an offer may stand in another stream than the one that made it.
    rows.put("offers", UUID(entry.said["offer"]), state=_ENDS[entry.act], ended_at=entry.at)


def _bid(rows: Rows, entry: Entry, side: Side | None) -> None:
    rows.put(
        "bids",
        UUID(entry.said["bid"]),
        round=entry.said["round"],
        side=side,
        sealed=bytes.fromhex(entry.said["commitment"]),
        state=BidState.SEALED,
        at=entry.at,
        round_ends=datetime.fromisoformat(entry.said["round_ends"]),
        ended_at=None,
    )


def leave(rows: Rows, state: State, at: datetime) -> None:
    """What goes when a case leaves a state: the sealed bids of a negotiation."""
    if state is State.NEGOTIATING:
        _end_bids(rows, at)


def _end_bids(rows: Rows, at: datetime) -> None:
    for row in rows.of("bids").values():
        if row["state"] is BidState.SEALED:
            row.update(state=BidState.DESTROYED, sealed=None, ended_at=at)


def _close_round(rows: Rows, entry: Entry, _: Side | None) -> None:
    _end_bids(rows, entry.at)


def _meet(rows: Rows, entry: Entry, _: Side | None) -> None:
    for row in rows.of("bids").values():
        if row["round"] == entry.said["round"]:
            row["state"] = BidState.MET


def _message(rows: Rows, entry: Entry, side: Side | None) -> None:
    rows.put(
        "messages",
        UUID(entry.said["message"]),
        channel=entry.channel,
        side=side or Side.NEUTRAL,
        account_id=entry.account,
        body=entry.said["body"],
        asks=entry.said.get("asks"),
        code=entry.said.get("code"),
        at=entry.at,
    )


def _caucus(rows: Rows, entry: Entry, side: Side | None) -> None:
    rows.put(
        "caucus_messages",
        UUID(entry.said["message"]),
        with_side=_CAUCUS.get(entry.channel),
        side=side or Side.NEUTRAL,
        account_id=entry.account,
        sealed=bytes.fromhex(entry.said["body_hmac"]),
        at=entry.at,
    )


def _exhibit(rows: Rows, entry: Entry, side: Side | None) -> None:
    said, file = entry.said, entry.blob
    if file is None:
        raise ValueError("an exhibit without a file")
    exhibit = UUID(said["exhibit"])
    rows.put(
        "exhibits",
        exhibit,
        side=side,
        number=int(said["label"].partition("-")[2]),
        kind=said["kind"],
        title=said["title"],
        description=said["description"],
        blob_id=file.id,
        filename=said["filename"],
        media_type=file.media_type,
        size=file.size,
        sha256=file.sha256,
        voucher=said["voucher"],
        challenge_id=UUID(said["challenge"]) if "challenge" in said else None,
        account_id=entry.account,
        at=entry.at,
    )
    # Whether it was released stands in another stream, which may have been read before.
    expected = rows.of("exhibits")[(exhibit,)]
    expected.setdefault("channel", entry.channel)
    expected.setdefault("released_at", None)


def _release(rows: Rows, entry: Entry, _: Side | None) -> None:
    exhibit = UUID(entry.said["exhibit"])
    rows.put("exhibits", exhibit, channel=Channel.RECORD, released_at=entry.at)


def _answer_exhibit(rows: Rows, entry: Entry, side: Side | None) -> None:
    rows.put(
        "exhibit_answers",
        UUID(entry.said["exhibit"]),
        side,
        UUID(entry.said["finding"]) if "finding" in entry.said else None,
        channel=entry.channel,
        body=entry.said["body"],
        account_id=entry.account,
        at=entry.at,
    )


def _propose(rows: Rows, entry: Entry, _: Side | None) -> None:
    said = entry.said
    rows.put(
        "proposals",
        UUID(said["proposal"]),
        account_id=entry.account,
        terms=said["terms"],
        amount_minor=amount(said["terms"]),
        reasons=said["reasons"],
        at=entry.at,
    )


def _answer_proposal(rows: Rows, entry: Entry, side: Side | None) -> None:
    column = "claimant_accepts" if side is Side.CLAIMANT else "respondent_accepts"
    rows.put("proposals", UUID(entry.said["proposal"]), **{column: entry.said["accepts"]})


def _fail_proposal(rows: Rows, entry: Entry, _: Side | None) -> None:
    rows.put("proposals", UUID(entry.said["proposal"]), state=ProposalState.FAILED)


def _rule(rows: Rows, entry: Entry, _: Side | None) -> None:
    said, ruling = entry.said, UUID(entry.said["ruling"])
    given = said.get("decided", said["terms"])  # what is granted of it may be less
    rows.put(
        "rulings",
        ruling,
        account_id=entry.account,
        kind=said["kind"],
        reasons=said["reasons"],
        terms=given,
        amount_minor=amount(given),
        record_root=bytes.fromhex(said["record_root"]),
        correctable_until=_instant(said["correctable_until"]),
        at=entry.at,
        final_at=None,
    )
    for number, found in enumerate(said["findings"], 1):
        cited = sorted({UUID(each["exhibit"]) for each in found["exhibits"]})
        rows.put(
            "ruling_findings",
            ruling,
            number,
            issue=found["issue"],
            body=found["body"],
            ruling_citations=cited,
        )
    for each in said["not_relied_on"]:
        rows.put("ruling_unrelied", ruling, UUID(each["exhibit"]), why=each["why"])


def kept(bodies: Iterable[Mapping[str, Any] | None]) -> Mapping[int, Any]:
    """What a stream's tombstones keep of the private bodies that they name: all but words."""
    buried = [body["body"] for body in bodies if body is not None and "erased" in body]
    return {each["seq"]: each["value"] for body in buried for each in body.get("kept", ())}


def _instant(given: str | None) -> datetime | None:
    return None if given is None else datetime.fromisoformat(given)


def _ask_for_correction(rows: Rows, entry: Entry, side: Side | None) -> None:
    rows.put(
        "correction_requests",
        UUID(entry.said["correction_request"]),
        ruling_id=UUID(entry.said["ruling"]),
        side=side,
        account_id=entry.account,
        body=entry.said["body"],
        at=entry.at,
    )


def _correct(rows: Rows, entry: Entry, _: Side | None) -> None:
    said = entry.said
    given = said.get("terms")
    right = None if given is None else amount(given)
    rows.put(
        "corrections",
        UUID(said["correction"]),
        ruling_id=UUID(said["ruling"]),
        account_id=entry.account,
        body=said["body"],
        terms=given,
        amount_minor=right,
        at=entry.at,
    )
    if given is not None:
        rows.put("rulings", UUID(said["ruling"]), terms=given, amount_minor=right)
        for party in rows.of("parties").values():
            party["appeal_waived_at"] = None


def _appeal(rows: Rows, entry: Entry, side: Side | None) -> None:
    said = entry.said
    rows.put(
        "appeals",
        UUID(said["appeal"]),
        ruling_id=UUID(said["ruling"]),
        side=side,
        account_id=entry.account,
        ground=said["ground"],
        statement=said["statement"],
        at=entry.at,
        decision=None,
        reasons=None,
        decided_by=None,
        decided_at=None,
        decided_ruling_id=None,
    )


_DECIDES: Final = {
    Act.AFFIRM_RULING: AppealDecision.AFFIRMED,
    Act.VARY_RULING: AppealDecision.VARIED,
    Act.SET_ASIDE_RULING: AppealDecision.SET_ASIDE,
}


def _decide_appeal(rows: Rows, entry: Entry, side: Side | None) -> None:
    said, decision = entry.said, _DECIDES[entry.act]
    decided: Row = {"decision": decision, "decided_by": entry.account, "decided_at": entry.at}
    if decision is AppealDecision.AFFIRMED:
        decided["reasons"] = said["reasons"]
    else:
        decided["decided_ruling_id"] = UUID(said["ruling"])
        _rule(rows, entry, side)
    rows.put("appeals", UUID(said["appeal"]), **decided)


def _ask(rows: Rows, entry: Entry, _: Side | None) -> None:
    said = entry.said
    due = next(each["due"] for each in said["clocks"] if each["subject"] == said["request"])
    rows.put(
        "information_requests",
        UUID(said["request"]),
        side=said["side"],
        account_id=entry.account,
        question=said["question"],
        at=entry.at,
        due=datetime.fromisoformat(due),
        answer=None,
        answered_by=None,
        answered_at=None,
        expired_at=None,
    )


def _answer_request(rows: Rows, entry: Entry, _: Side | None) -> None:
    rows.put(
        "information_requests",
        UUID(entry.said["request"]),
        answer=entry.said["body"],
        answered_by=entry.account,
        answered_at=entry.at,
    )


def _expire_request(rows: Rows, entry: Entry, _: Side | None) -> None:
    rows.put("information_requests", UUID(entry.said["request"]), expired_at=entry.at)


LEAVES: Final[Mapping[Act, Callable[[Rows, Entry, Side | None], None]]] = {
    Act.MAKE_OFFER: _offer,
    Act.MAKE_COUNTER_OFFER: _offer,
    **dict.fromkeys(_ENDS, _end_offer),
    Act.PLACE_BID: _bid,
    Act.CLOSE_BID_ROUND: _close_round,
    Act.SETTLE_BY_BIDS: _meet,
    Act.SEND_MESSAGE: _message,
    Act.SEND_CAUCUS_MESSAGE: _caucus,
    Act.SUBMIT_EXHIBIT: _exhibit,
    Act.RELEASE_EXHIBIT: _release,
    Act.ANSWER_EXHIBIT: _answer_exhibit,
    Act.PROPOSE_TERMS: _propose,
    Act.ACCEPT_PROPOSAL: _answer_proposal,
    Act.REJECT_PROPOSAL: _answer_proposal,
    Act.FAIL_PROPOSAL: _fail_proposal,
    Act.REQUEST_INFORMATION: _ask,
    Act.ANSWER_REQUEST: _answer_request,
    Act.EXPIRE_REQUEST: _expire_request,
    Act.RULE: _rule,
    Act.APPEAL: _appeal,
    **dict.fromkeys(_DECIDES, _decide_appeal),
    Act.REQUEST_CORRECTION: _ask_for_correction,
    Act.CORRECT_RULING: _correct,
}
"""What each act leaves of what was said and shown, by (rows, entry, its side)."""
