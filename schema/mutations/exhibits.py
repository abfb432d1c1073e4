"""Exhibits: submitted, answered, released from mediation."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import strawberry

from odr import exhibits
from odr.exhibits import Given
from odr.models import dialogue
from odr.procedure.acts import Act
from odr.vouchers import Voucher
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, Input
from schema.reader import declaration as read
from schema.scalars import Int64
from schema.types.exhibit import Exhibit, ExhibitAnswer
from schema.types.words import ExhibitKind

MESSAGE_TAG = "ms"
UPLOAD_TAG = "up"
"""The tag of an upload's id, as the upload endpoint answers it."""

_EXHIBITS = read.columns(dialogue.Exhibit)


@strawberry.input(description="What a document itself says, as its giver types it.")
class VoucherInput:
    """A document's own facts; which it may have is a matter of the exhibit's kind."""

    issuer: str | None = None
    number: str | None = None
    issued: date | None = None
    carrier: str | None = None
    service: str | None = None
    tracking_number: str | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    sent_from: str | None = None
    place: str | None = None
    sender: str | None = None
    recipient: str | None = None
    weight_grams: int | None = None
    customs_number: str | None = None
    order_reference: str | None = None
    amount_minor: Int64 | None = None
    currency: str | None = None
    note: str | None = None


@strawberry.input(description="An upload that is given as evidence.")
class ExhibitInput:
    """An item of evidence."""

    upload_id: strawberry.ID
    kind: ExhibitKind
    title: str
    description: str = ""
    voucher: VoucherInput | None = None
    challenge_id: strawberry.ID | None = strawberry.field(
        default=None, description="The message that asked for it, if it shows that one's code."
    )


def given(items: Sequence[ExhibitInput]) -> list[Given]:
    """Read what is given; an upload that is not there is refused when it is taken."""
    return [
        Given(
            upload_id=desk.keyed(item.upload_id, UPLOAD_TAG, ("exhibits", number, "upload_id")),
            kind=item.kind,
            title=item.title,
            description=item.description,
            voucher=_voucher(item.voucher),
            challenge=_challenge(item.challenge_id, number),
        )
        for number, item in enumerate(items)
    ]


def _voucher(voucher: VoucherInput | None) -> Voucher | None:
    if voucher is None:
        return None
    return Voucher(**{each.name: getattr(voucher, each.name) for each in fields(voucher)})


def _challenge(message: strawberry.ID | None, number: int) -> UUID | None:
    if message is None:
        return None
    return desk.keyed(message, MESSAGE_TAG, ("exhibits", number, "challenge_id"))


@strawberry.input(description=Act.SUBMIT_EXHIBIT.meaning)
class SubmitExhibitInput(CaseInput):
    """An item of evidence."""

    exhibit: ExhibitInput


@strawberry.type
class SubmitExhibitPayload(CasePayload):
    """The exhibit with its label."""

    exhibit: Exhibit | None = read.key()


@strawberry.input(description=Act.ANSWER_EXHIBIT.meaning)
class AnswerExhibitInput(Input):
    """What is said of the other side's exhibit, or of a finding about any exhibit."""

    exhibit_id: strawberry.ID
    body: str
    finding_id: strawberry.ID | None = None
    expected_version: int | None = None


@strawberry.type
class AnswerExhibitPayload(CasePayload):
    """The exhibit and the answer."""

    exhibit: Exhibit | None = read.key()
    answer: ExhibitAnswer | None = read.key()


@strawberry.input(description=Act.RELEASE_EXHIBIT.meaning)
class ReleaseExhibitInput(Input):
    """An exhibit of one's own that was given in mediation."""

    exhibit_id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class ReleaseExhibitPayload(CasePayload):
    """The exhibit, now on the record."""

    exhibit: Exhibit | None = read.key()


@strawberry.type
class ExhibitActs:
    """Acts of evidence."""

    @act(Act.SUBMIT_EXHIBIT)
    async def submit_exhibit(
        self, info: Info, input_: Annotated[SubmitExhibitInput, strawberry.argument(name="input")]
    ) -> SubmitExhibitPayload:
        """Take an upload as an exhibit."""
        done = await desk.in_case(
            info,
            Act.SUBMIT_EXHIBIT,
            input_,
            lambda work, case: exhibits.submit_exhibit(
                work, case, given([input_.exhibit])[0], version=input_.expected_version
            ),
        )
        return SubmitExhibitPayload(case=done.case, exhibit=done.result, user_errors=done.errors)

    @act(Act.ANSWER_EXHIBIT)
    async def answer_exhibit(
        self, info: Info, input_: Annotated[AnswerExhibitInput, strawberry.argument(name="input")]
    ) -> AnswerExhibitPayload:
        """Answer the other side's exhibit."""
        row = desk.find(input_.exhibit_id, "ex")
        asked = input_.finding_id
        done = await desk.on_row(
            info,
            Act.ANSWER_EXHIBIT,
            input_,
            row,
            _EXHIBITS,
            lambda work, exhibit: exhibits.answer_exhibit(
                work,
                exhibit,
                input_.body,
                finding_id=None if asked is None else desk.keyed(asked, "xf", ("finding_id",)),
                version=input_.expected_version,
            ),
        )
        return AnswerExhibitPayload(
            case=done.case, exhibit=done.row, answer=done.result, user_errors=done.errors
        )

    @act(Act.RELEASE_EXHIBIT)
    async def release_exhibit(
        self, info: Info, input_: Annotated[ReleaseExhibitInput, strawberry.argument(name="input")]
    ) -> ReleaseExhibitPayload:
        """Put one's own exhibit of mediation on the record."""
        row = desk.find(input_.exhibit_id, "ex")
        done = await desk.on_row(
            info,
            Act.RELEASE_EXHIBIT,
            input_,
            row,
            _EXHIBITS,
            lambda work, exhibit: exhibits.release_exhibit(
                work, exhibit, version=input_.expected_version
            ),
        )
        return ReleaseExhibitPayload(case=done.case, exhibit=done.row, user_errors=done.errors)
