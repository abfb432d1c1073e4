"""Tables: what the sides and the neutrals say: offers, messages, exhibits, proposals, rulings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Column, Field, SQLModel

from odr.models import columns
from odr.models.states import BidState, Channel, OfferState, ProposalState, RulingKind
from odr.words import ExhibitKind, Side


class Offer(SQLModel, table=True):
    """Terms that one side offers to the other; ``counter`` marks the answer to the claim."""

    __tablename__ = "offers"
    __table_args__ = (
        Index("offers_by_case", "case_id"),
        Index(
            "one_counter_offer_to_a_claim", "case_id", unique=True, postgresql_where=text("counter")
        ),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    side: Side = Field(sa_column=columns.word(Side, "offer_side"))
    counter: bool = Field(default=False)
    channel: Channel = Field(sa_column=columns.word(Channel, "offer_channel"))
    terms: dict[str, Any] = Field(sa_column=columns.value())
    amount_minor: int = Field(sa_column=columns.minor())
    message: str = Field(sa_column=columns.text(longest=4000, name="message"))
    state: OfferState = Field(sa_column=columns.word(OfferState, "offer_state"))
    at: datetime = Field(sa_column=columns.instant())
    valid_until: datetime = Field(sa_column=columns.instant())
    ended_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Bid(SQLModel, table=True):
    """That a side placed a sealed bid in a round; ``round_ends`` is when another may begin.

    ``sealed`` is the bid, encrypted and of one length whatever it says; it is gone once the round
    is over. No table holds it in clear.
    """

    __tablename__ = "bids"
    __table_args__ = (
        UniqueConstraint("case_id", "round", "side"),
        CheckConstraint("(state = 'sealed') = (sealed IS NOT NULL)", name="destroyed"),
        CheckConstraint("(state = 'sealed') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("octet_length(sealed) = 285", name="one_length"),
        CheckConstraint("side IN ('claimant','respondent')", name="party"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    round: int
    side: Side = Field(sa_column=columns.word(Side, "bid_side"))
    sealed: bytes | None = Field(default=None)
    state: BidState = Field(sa_column=columns.word(BidState, "bid_state"))
    at: datetime = Field(sa_column=columns.instant())
    round_ends: datetime = Field(sa_column=columns.instant())
    ended_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Message(SQLModel, table=True):
    """Something said to everybody who can read the channel; never caucus.

    A neutral's message may ask a side for a picture that shows ``code``.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_by_case", "case_id", "at"),
        CheckConstraint("channel IN ('record','mediation')", name="joint"),
        CheckConstraint("(code IS NULL) = (asks IS NULL)", name="challenge"),
        CheckConstraint("code IS NULL OR side = 'neutral'", name="challenger"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    channel: Channel = Field(sa_column=columns.word(Channel, "message_channel"))
    side: Side = Field(sa_column=columns.word(Side, "message_side"))
    account_id: UUID = Field(foreign_key="accounts.id")
    body: str = Field(sa_column=columns.text(longest=8000, name="body"))
    asks: Side | None = Field(default=None, sa_column=columns.word(Side, "message_asks", null=True))
    code: str | None = Field(default=None, max_length=10)
    at: datetime = Field(sa_column=columns.instant())


class CaucusMessage(SQLModel, table=True):
    """Something said in confidence between one side and the mediator.

    ``sealed`` is the body, encrypted with the caucus key; no other table holds it in clear.
    """

    __tablename__ = "caucus_messages"
    __table_args__ = (Index("caucus_messages_by_case", "case_id", "at"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    with_side: Side = Field(sa_column=columns.word(Side, "caucus_with"))
    side: Side = Field(sa_column=columns.word(Side, "caucus_side"))
    account_id: UUID = Field(foreign_key="accounts.id")
    sealed: bytes
    at: datetime = Field(sa_column=columns.instant())


class Upload(SQLModel, table=True):
    """A file that was deposited but is not an exhibit yet; it belongs to its depositor."""

    __tablename__ = "uploads"
    __table_args__ = (Index("uploads_by_account", "account_id", "at"),)

    id: UUID = Field(sa_column=columns.key())
    account_id: UUID = Field(foreign_key="accounts.id")
    blob_id: UUID = Field(foreign_key="vault_blobs.id", unique=True)
    filename: str = Field(sa_column=columns.text(longest=255, name="filename"))
    at: datetime = Field(sa_column=columns.instant())
    used_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class PartialUpload(SQLModel, table=True):
    """A file that comes in instalments; it ends as an upload, refused, or out of time.

    ``wrapped_key`` opens its pieces and is gone once they are not needed; ``received`` bytes of
    ``size`` lie in the store. ``writer`` is the one request whose pieces count. ``refusal`` tells
    why the whole file was not taken. ``cleared`` says that the store holds nothing of it any more.
    """

    __tablename__ = "partial_uploads"
    __table_args__ = (
        Index("partial_uploads_by_account", "account_id", "expires_at"),
        Index("partial_uploads_by_expiry", "expires_at", postgresql_where=text("NOT cleared")),
        Index("partial_uploads_by_upload", "upload_id"),
        CheckConstraint("size > 0 AND received BETWEEN 0 AND size", name="received"),
        CheckConstraint("NOT cleared OR wrapped_key IS NULL", name="cleared"),
        CheckConstraint("upload_id IS NULL OR received = size", name="whole"),
    )

    id: UUID = Field(sa_column=columns.key())
    account_id: UUID = Field(foreign_key="accounts.id")
    filename: str = Field(sa_column=columns.text(longest=255, name="filename"))
    media_type: str = Field(max_length=100)
    size: int = Field(sa_column=columns.minor())
    sha256: bytes | None = Field(default=None, sa_column=columns.digest(null=True))
    told: str = Field(sa_column=columns.text(longest=4000, name="told"))
    received: int = Field(sa_column=columns.minor())
    pieces: int
    wrapped_key: bytes | None = Field(default=None)
    key_id: str
    writer: UUID | None = Field(default=None)
    at: datetime = Field(sa_column=columns.instant())
    expires_at: datetime = Field(sa_column=columns.instant())
    finishing_until: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    upload_id: UUID | None = Field(
        default=None, foreign_key="uploads.id", ondelete="SET NULL", nullable=True
    )
    refusal: dict[str, Any] | None = Field(default=None, sa_column=columns.value(null=True))
    cleared: bool = Field(default=False)


class UploadPiece(SQLModel, table=True):
    """So many bytes of a partial upload from a place on, and the object that holds them."""

    __tablename__ = "upload_pieces"
    __table_args__ = (CheckConstraint("start >= 0 AND size > 0", name="extent"),)

    partial_id: UUID = Field(primary_key=True, foreign_key="partial_uploads.id", ondelete="CASCADE")
    start: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    size: int
    store_key: str
    store_version: str


class Exhibit(SQLModel, table=True):
    """An item of evidence; ``label`` is A-1, B-1, N-1 …; ``channel`` is where it was given."""

    __tablename__ = "exhibits"
    __table_args__ = (
        UniqueConstraint("case_id", "side", "number"),
        Index("exhibits_by_case", "case_id", "at"),
        Index("exhibits_by_blob", "blob_id"),
        Index("exhibits_by_digest", "sha256"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    side: Side = Field(sa_column=columns.word(Side, "exhibit_side"))
    number: int
    kind: ExhibitKind = Field(sa_column=columns.word(ExhibitKind, "exhibit_kind"))
    title: str = Field(sa_column=columns.text(longest=200, name="title"))
    description: str = Field(sa_column=columns.text(longest=4000, name="description"))
    channel: Channel = Field(sa_column=columns.word(Channel, "exhibit_channel"))
    blob_id: UUID = Field(foreign_key="vault_blobs.id")
    filename: str = Field(sa_column=columns.text(longest=255, name="filename"))
    media_type: str = Field(max_length=100)
    size: int = Field(sa_column=columns.minor())
    sha256: bytes = Field(sa_column=columns.digest())
    voucher: dict[str, Any] | None = Field(default=None, sa_column=columns.value(null=True))
    challenge_id: UUID | None = Field(default=None, foreign_key="messages.id")
    account_id: UUID = Field(foreign_key="accounts.id")
    at: datetime = Field(sa_column=columns.instant())
    released_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class ExhibitAnswer(SQLModel, table=True):
    """What the other side says of an exhibit, or a side of a finding about it.

    ``channel`` as the exhibit's rooms.
    """

    __tablename__ = "exhibit_answers"
    __table_args__ = (
        UniqueConstraint("exhibit_id", "side", "finding_id", postgresql_nulls_not_distinct=True),
        Index("answers_by_case", "case_id"),
        Index("answers_by_finding", "finding_id", postgresql_where=text("finding_id IS NOT NULL")),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    exhibit_id: UUID = Field(foreign_key="exhibits.id")
    finding_id: UUID | None = Field(default=None, foreign_key="exhibit_findings.id")
    side: Side = Field(sa_column=columns.word(Side, "exhibit_answer_side"))
    channel: Channel = Field(sa_column=columns.word(Channel, "exhibit_answer_channel"))
    body: str = Field(sa_column=columns.text(longest=4000, name="body"))
    account_id: UUID = Field(foreign_key="accounts.id")
    at: datetime = Field(sa_column=columns.instant())


class Proposal(SQLModel, table=True):
    """A mediator's proposal; a side's answer is hidden until both have answered."""

    __tablename__ = "proposals"
    __table_args__ = (
        Index("proposals_by_case", "case_id"),
        Index("one_open_proposal", "case_id", unique=True, postgresql_where=text("state = 'open'")),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    account_id: UUID = Field(foreign_key="accounts.id")
    terms: dict[str, Any] = Field(sa_column=columns.value())
    amount_minor: int = Field(sa_column=columns.minor())
    reasons: str = Field(sa_column=columns.text(longest=8000, name="reasons"))
    state: ProposalState = Field(sa_column=columns.word(ProposalState, "proposal_state"))
    at: datetime = Field(sa_column=columns.instant())
    claimant_accepts: bool | None = None
    respondent_accepts: bool | None = None


class Ruling(SQLModel, table=True):
    """An arbitrator's decision on a frozen record.

    ``correctable_until`` is when the time to ask for a correction is over; a decision on appeal
    has none.
    """

    __tablename__ = "rulings"
    __table_args__ = (Index("rulings_by_case", "case_id"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    account_id: UUID = Field(foreign_key="accounts.id")
    kind: RulingKind = Field(sa_column=columns.word(RulingKind, "ruling_kind"))
    reasons: str = Field(sa_column=columns.text(longest=50000, name="reasons"))
    terms: dict[str, Any] = Field(sa_column=columns.value())
    amount_minor: int = Field(sa_column=columns.minor())
    record_root: bytes = Field(sa_column=columns.digest())
    correctable_until: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    at: datetime = Field(sa_column=columns.instant())
    final_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Finding(SQLModel, table=True):
    """What a ruling finds about one issue, citing exhibits."""

    __tablename__ = "ruling_findings"
    __table_args__ = (UniqueConstraint("ruling_id", "number"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    ruling_id: UUID = Field(foreign_key="rulings.id")
    number: int
    issue: str = Field(sa_column=columns.text(longest=300, name="issue"))
    body: str = Field(sa_column=columns.text(longest=8000, name="body"))


class Citation(SQLModel, table=True):
    """A finding cites an exhibit."""

    __tablename__ = "ruling_citations"

    finding_id: UUID = Field(foreign_key="ruling_findings.id", primary_key=True)
    exhibit_id: UUID = Field(foreign_key="exhibits.id", primary_key=True, index=True)
    case_id: UUID = Field(foreign_key="cases.id")


class Unrelied(SQLModel, table=True):
    """An exhibit on which a ruling does not rely, and why."""

    __tablename__ = "ruling_unrelied"

    ruling_id: UUID = Field(foreign_key="rulings.id", primary_key=True)
    exhibit_id: UUID = Field(foreign_key="exhibits.id", primary_key=True, index=True)
    case_id: UUID = Field(foreign_key="cases.id")
    why: str = Field(sa_column=columns.text(longest=2000, name="why"))
