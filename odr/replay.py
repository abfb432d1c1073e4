"""The replay: from a case's record alone, the rows that its acts must have left in the tables.

Every entry is taken through the procedure's table again, in the order of its stream. What the
record cannot tell is left out of the rows and so is not compared: an id that only names a row, or
what a party has read. Only the record's own stream moves a case; what is said behind the walls
stays where the case is, so the streams need no order among each other.

The module is pure: it knows no database and reads no clock.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from odr import terms, traces
from odr.errors import NotAllowed
from odr.models.states import (
    COUNTED,
    Channel,
    ClockState,
    NeutralKind,
    ObligationState,
    OfferState,
    ProposalState,
)
from odr.policy import side_of
from odr.procedure import table
from odr.procedure.acts import Act, Role, Stage, State
from odr.procedure.clocks import TIMERS, Clock
from odr.remedies import Flow
from odr.traces import Entry, Row, Rows
from odr.words import Outcome, Party, Side

_DECIDED: Final = {Stage.PERFORMANCE, Stage.CLOSED}
_STATES: Final = {state.value: state for state in State}
_OUTLIVE_A_MOVE: Final = {Clock.OFFER, Clock.PAYOUT}
_SIDES: Final = (Side.CLAIMANT, Side.RESPONDENT)
_SAY_TERMS: Final = {
    Act.ACCEPT_CLAIM,
    Act.ACCEPT_OFFER,
    Act.SETTLE_BY_PROPOSAL,
    Act.SETTLE_BY_BIDS,
    Act.GRANT_BY_DEFAULT,
    Act.LET_DEFAULT_STAND,
    Act.GRANT_WITHOUT_RECOURSE,
}
_DECIDE: Final = {Act.RULE, Act.VARY_RULING, Act.SET_ASIDE_RULING}
_FINAL: Final = {
    *(Act.MAKE_FINAL, Act.LET_RULING_STAND),
    *(Act.AFFIRM_RULING, Act.VARY_RULING, Act.SET_ASIDE_RULING),
}
"""The acts that grant what they say, those that rule, those that make the last ruling final."""

_MARKS: Final = {Act.REST: "rested_at", Act.WAIVE_APPEAL: "appeal_waived_at"}
_APPOINT: Final = {Act.APPOINT_MEDIATOR, Act.APPOINT_ARBITRATOR}
PARTY_MARKS: Final = ("acknowledged_at", "consented", "rested_at", "appeal_waived_at")
"""What only a party's seat ever says."""


class Replay:
    """One case's record, taken entry by entry: the record's own stream first, then the others.

    ``buyer`` is the order's: whether buyer or seller claims follows from who filed. In the end
    ``rows`` are what must be there and ``problems`` what is wrong in the record itself.
    """

    def __init__(self, case_id: UUID, buyer: UUID) -> None:
        self.rows = Rows()
        self.problems: list[str] = []
        self._case_id = case_id
        self._buyer = buyer
        self._party = Party.BUYER
        self._state: State | None = None
        self._visited: set[State] = set()
        self._outcome: Outcome | None = None
        self._case: Row = {}
        self._count = 0
        self._granted: Mapping[str, Any] | None = None
        self._ruled: Entry | None = None
        self._proposed: datetime | None = None
        self._left_mediation: datetime | None = None
        self._decided: datetime | None = None
        self._fired: set[tuple[Act, datetime, str | None]] = set()
        self._stops: dict[UUID, datetime] = {}

    def take(self, entry: Entry) -> None:
        """Take one entry through the table, then write down what it leaves.

        ``KeyError`` or ``ValueError`` if the entry is not one that an act writes.
        """
        self._count += entry.channel in COUNTED
        before, after = _STATES[entry.said["before"]], _STATES[entry.said["after"]]
        self._check(entry, before, after)
        self._step(entry, before, after)
        if entry.act is Act.FILE:
            self._file(entry)
        if entry.act is Act.MODIFY_CLAIM:
            self._claim(entry, entry.said["version"])
        side = self._side(entry)
        self._act(entry, before, after, side)
        if entry.role is Role.CLOCK:
            self._fired.add((entry.act, entry.at, _subject(entry)))
        self._stops |= {UUID(subject): entry.at for subject in entry.said["stops"]}
        self._stop_clocks()
        if (leaves := traces.LEAVES.get(entry.act)) is not None:
            leaves(self.rows, entry, side)
        self._seats(entry, side)
        self._neutrals(entry)
        self._grant(entry)
        if before is not after:
            self._move(entry, before, after)
        self._set_clocks(entry)

    def _wrong(self, entry: Entry, what: str) -> None:
        self.problems.append(f"{entry.act.value}, entry {entry.seq} of the {entry.channel}, {what}")

    def _check(self, entry: Entry, before: State, after: State) -> None:
        """The entry is of this case, and follows the one before."""
        if entry.said["case"] != str(self._case_id):
            self._wrong(entry, f"is of case {entry.said['case']}")
        if entry.said["number"] != self._case.setdefault("number", entry.said["number"]):
            self._wrong(entry, "has another case number")
        if entry.channel is not Channel.RECORD:
            if before is not after or before not in self._visited:
                self._wrong(entry, f"cannot lead from {before.value} to {after.value}")
        elif self._state is not None and before is not self._state:
            self._wrong(entry, f"was done in {before.value}, after {self._state.value}")
        if (entry.act is Act.FILE) != (self._state is None):
            self._wrong(entry, "stands where it cannot")

    def _step(self, entry: Entry, before: State, after: State) -> None:
        """The table has its row; the record's own stream moves the case by it."""
        row = table.START
        if entry.act is not Act.FILE:
            try:
                row = table.step(before, entry.act, frozenset({entry.role}))
            except NotAllowed as refused:
                self._wrong(entry, f"is not in the table: {refused}")
                row = row._replace(source=before, target=after)
        if row.target is not after:
            self._wrong(entry, f"leads to {after.value}, by the table to {row.target.value}")
        if entry.channel is Channel.RECORD:
            self._state = after
            self._visited.add(after)
            kept = self._outcome if row.target.stage in _DECIDED else None
            self._outcome = row.outcome or kept

    def _side(self, entry: Entry) -> Side | None:
        if entry.role in {Role.BUYER, Role.SELLER}:
            return Side.CLAIMANT if entry.role == self._party.value else Side.RESPONDENT
        return side_of(frozenset({entry.role}))

    def _act(self, entry: Entry, before: State, after: State, side: Side | None) -> None:
        self.rows.put(
            "acts",
            entry.stream,
            entry.seq,
            act=entry.act,
            role=entry.role,
            side=side,
            account_id=entry.account,
            at=entry.at,
            before=before,
            after=after,
            channel=entry.channel,
            leaf=entry.leaf,
            facts=entry.said["shown"],
        )

    # The case.

    def _file(self, entry: Entry) -> None:
        said = entry.said
        self._party = Party.BUYER if entry.account == self._buyer else Party.SELLER
        self._case |= {
            "order_id": UUID(said["order"]),
            "claimant_party": self._party,
            "rulebook": said["rulebook"],
            "rulebook_digest": bytes.fromhex(said["rulebook_digest"]),
            "currency": said["terms"]["currency"],
            "reason": said["reason"],
            "filed_at": entry.at,
            "entered_at": entry.at,
            "closed_at": None,
            "record_stream": entry.stream,
            "record_root": None,
            "record_size": None,
        }
        self._claim(entry, 1)
        for side in _SIDES:
            self.rows.put("parties", side, since=entry.at, **dict.fromkeys(PARTY_MARKS))

    def _claim(self, entry: Entry, version: int) -> None:
        """A version of the claim; the last one holds."""
        said = entry.said
        claimed = traces.amount(said["terms"])
        self._case["claimed_minor"] = claimed
        self.rows.put(
            "claims",
            version,
            reason=self._case["reason"],
            statement=said["statement"],
            terms=said["terms"],
            amount_minor=claimed,
            at=entry.at,
        )

    def _move(self, entry: Entry, before: State, after: State) -> None:
        """What a move ends: seats, appointments, the clocks that do not outlive it."""
        self._case["entered_at"] = entry.at
        traces.leave(self.rows, before, entry.at)
        if after is State.CLOSED:
            self._case["closed_at"] = entry.at
        leaving: set[NeutralKind] = set()
        if before is State.MEDIATING:
            self._left_mediation = entry.at
            leaving.add(NeutralKind.MEDIATOR)
        if after in {State.DELIBERATING_AGAIN, State.APPEALED}:
            leaving.add(NeutralKind.ARBITRATOR)
        decided = after.stage in _DECIDED and before.stage not in _DECIDED
        if decided:
            self._decided = self._decided or entry.at
        for row in self.rows.of("appointments").values():
            if (leaving or decided) and row["ended_at"] is None:
                row.update(ended_at=entry.at, end_reason="stage_over")
            if row["kind"] in leaving and row["until"] is None:
                row["until"] = entry.at
        for row in self._running():
            if row["clock"] not in _OUTLIVE_A_MOVE and not self._has_fired(row):
                row.update(state=ClockState.STOPPED, ended_at=entry.at)

    def _grant(self, entry: Entry) -> None:
        """What was agreed or decided, the obligations that follow, and what was paid of them."""
        said = entry.said
        if entry.act in _DECIDE:
            self._ruled = entry
        if entry.root is not None:
            self._case |= {"record_root": entry.root.hash, "record_size": entry.root.size}
        if entry.act in _FINAL and self._ruled is not None:
            self.rows.put("rulings", UUID(self._ruled.said["ruling"]), final_at=entry.at)
            self._granted = said.get("terms", self._ruled.said["terms"])
        if entry.act in _SAY_TERMS:
            self._granted = said.get("terms", self._granted)
        if entry.act is Act.RECORD_PAYMENT:
            self.rows.put(
                "payouts",
                UUID(said["payout"]),
                amount_minor=said["amount_minor"],
                currency=said["currency"],
                reference=said["reference"],
                rail=said["rail"],
                paid_at=entry.at,
            )
        begins = entry.act in _SAY_TERMS | _FINAL
        if begins and entry.act is not Act.GRANT_BY_DEFAULT and self._granted is not None:
            self._oblige(self._granted, entry.at)

    def _oblige(self, granted: Mapping[str, Any], at: datetime) -> None:
        items = terms.from_json(granted).items if granted["items"] else ()
        for number, item in enumerate(items, 1):
            to_buyer = item.flow is Flow.TO_BUYER
            row: Row = {
                "remedy": item.remedy,
                "debtor": Party.SELLER if to_buyer else Party.BUYER,
                "currency": granted["currency"],
                "created": at,
            }
            if to_buyer or item.amount_minor is not None:
                row["amount_minor"] = item.amount_minor or 0
            if not to_buyer or not item.amount_minor:
                row |= {"state": ObligationState.DONE, "ended_at": at}
            self.rows.put("obligations", number, **row)

    # The seats.

    def _seats(self, entry: Entry, side: Side | None) -> None:
        said = entry.said
        if entry.act in {Act.ACKNOWLEDGE, Act.CONTEST}:
            respondent = self.rows.of("parties")[Side.RESPONDENT,]
            respondent["acknowledged_at"] = respondent["acknowledged_at"] or entry.at
        if entry.act is Act.CONTEST:
            self.rows.put("answers", statement=said["statement"], at=entry.at)
        if entry.act in {Act.CONSENT, Act.DECLINE_CONSENT}:
            self.rows.put("parties", side, consented=said["agrees"])
        if (mark := _MARKS.get(entry.act)) is not None:
            self.rows.put("parties", side, **{mark: entry.at})

    def _neutrals(self, entry: Entry) -> None:
        if entry.act in _APPOINT and "neutral" in entry.said:
            self._appoint(entry)
        for row in self.rows.of("appointments").values():
            if row["ended_at"] is not None:
                continue
            if entry.act is Act.DISCLOSE:
                row.update(disclosed_at=entry.at, disclosure=entry.said["disclosure"])
            if entry.act is Act.REPLACE_NEUTRAL and not row["disclosed_at"]:
                row.update(ended_at=entry.at, end_reason="silent", until=entry.at)

    def _appoint(self, entry: Entry) -> None:
        clocks = entry.said["clocks"]
        wanted = Clock.DISCLOSURE.value
        self.rows.put(
            "appointments",
            next(UUID(each["subject"]) for each in clocks if each["clock"] == wanted),
            kind=NeutralKind(entry.said["kind"]),
            neutral_id=UUID(entry.said["neutral"]),
            appointed_at=entry.at,
            disclosed_at=None,
            disclosure=None,
            ended_at=None,
            end_reason=None,
            until=None,
        )

    # The clocks.

    def _running(self) -> Iterable[Row]:
        rows = self.rows.of("clocks").values()
        return [row for row in rows if row["state"] is ClockState.RUNNING]

    def _has_fired(self, row: Row) -> bool:
        subjects = (None, str(row["subject_id"]))
        return any(
            (act, row["due"], subject) in self._fired
            for act in TIMERS[row["clock"]].acts
            for subject in subjects
        )

    def _stop_clocks(self) -> None:
        """Stop what an act has stopped; a clock that ran out had done so before."""
        for row in self._running():
            stopped = self._stops.get(row["subject_id"])
            if stopped is not None and not self._has_fired(row):
                row.update(state=ClockState.STOPPED, ended_at=stopped)

    def _set_clocks(self, entry: Entry) -> None:
        for given in entry.said["clocks"]:
            clock, subject = Clock(given["clock"]), UUID(given["subject"])
            self.rows.put(
                "clocks",
                clock,
                subject,
                clock=clock,
                subject_id=subject,
                side=given["side"],
                starts=datetime.fromisoformat(given["starts"]),
                due=datetime.fromisoformat(given["due"]),
                amount_minor=given["amount"],
                state=ClockState.RUNNING,
                ended_at=None,
            )

    def expect_payout(self, payout_id: UUID, due: datetime, amount_minor: int) -> None:
        """Expect the clock of a payout: it is started after the act that grants the money."""
        self.rows.put(
            "clocks",
            Clock.PAYOUT,
            payout_id,
            clock=Clock.PAYOUT,
            subject_id=payout_id,
            side=None,
            due=due,
            amount_minor=amount_minor,
            state=ClockState.RUNNING,
            ended_at=None,
        )

    # The end.

    def finish(self) -> None:
        """Write down what only the whole record tells; to be called once, after every ``take``."""
        self._stop_clocks()
        for row in self._running():
            if self._has_fired(row):
                row.update(state=ClockState.FIRED, ended_at=row["due"])
            elif self._decided and row["clock"] is Clock.OFFER:
                row.update(state=ClockState.STOPPED, ended_at=self._decided)
        superseded = {"state": OfferState.SUPERSEDED, "ended_at": self._decided}
        is_open = {"state": OfferState.OPEN, "ended_at": None}
        for row in self.rows.of("offers").values():
            if "state" not in row:
                row.update(superseded if self._decided else is_open)
        settled = self._settled_by_proposal()
        for row in self.rows.of("proposals").values():
            answers = [row.setdefault(f"{side.value}_accepts", None) for side in _SIDES]
            if settled and all(answers):
                row["state"] = ProposalState.ACCEPTED
            elif "state" not in row:
                over = self._left_mediation is not None
                row["state"] = ProposalState.FAILED if over else ProposalState.OPEN
        granted = self._granted
        self.rows.put(
            "cases",
            self._case_id,
            **self._case,
            state=self._state,
            outcome=self._outcome,
            version=self._count,
            terms=granted,
            granted_minor=None if granted is None else traces.amount(granted),
        )

    def _settled_by_proposal(self) -> bool:
        acts = self.rows.of("acts").values()
        return any(row["act"] is Act.SETTLE_BY_PROPOSAL for row in acts)


def _subject(entry: Entry) -> str | None:
    """What an act of the clock was about, where a case may have several of its kind."""
    said, shown = entry.said, entry.said["shown"]
    given: str | None = said.get("offer") or said.get("request") or shown.get("payout")
    return given
