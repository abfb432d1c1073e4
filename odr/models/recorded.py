"""The tables of which the record tells every row of a case, each with what names a row there."""

from typing import Final

from sqlmodel import SQLModel

from odr.models.arbitration import Appeal, Correction, CorrectionRequest, InformationRequest
from odr.models.cases import Answer, Appointment, Claim, Record, RunningClock
from odr.models.dialogue import (
    Bid,
    CaucusMessage,
    Exhibit,
    ExhibitAnswer,
    Finding,
    Message,
    Offer,
    Proposal,
    Ruling,
    Unrelied,
)
from odr.models.money import Obligation

KEYS: Final[dict[str, tuple[type[SQLModel], tuple[str, ...]]]] = {
    "acts": (Record, ("stream_id", "sequence")),
    "claims": (Claim, ("version",)),
    "answers": (Answer, ()),
    "offers": (Offer, ("id",)),
    "bids": (Bid, ("id",)),
    "messages": (Message, ("id",)),
    "caucus_messages": (CaucusMessage, ("id",)),
    "exhibits": (Exhibit, ("id",)),
    "exhibit_answers": (ExhibitAnswer, ("exhibit_id", "side", "finding_id")),
    "proposals": (Proposal, ("id",)),
    "information_requests": (InformationRequest, ("id",)),
    "appeals": (Appeal, ("id",)),
    "correction_requests": (CorrectionRequest, ("id",)),
    "corrections": (Correction, ("id",)),
    "rulings": (Ruling, ("id",)),
    "ruling_findings": (Finding, ("ruling_id", "number")),
    "ruling_unrelied": (Unrelied, ("ruling_id", "exhibit_id")),
    "obligations": (Obligation, ("number",)),
    "appointments": (Appointment, ("id",)),
    "clocks": (RunningClock, ("clock", "subject_id")),
}
"""The table's name, its model and the columns of its key."""
