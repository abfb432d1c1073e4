"""Notices: read by whom they tell."""

from typing import Annotated
from uuid import UUID

import strawberry

from odr import notices
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types.notice import Notice


@strawberry.input(description="Note that the viewer has read a notice.")
class ReadNoticeInput(Input):
    """A notice of one's own."""

    notice_id: strawberry.ID


@strawberry.type
class ReadNoticePayload(Payload):
    """The notice."""

    notice: Notice | None = read.key()


@strawberry.type
class NoticeActs:
    """What one does with notices."""

    @does("Note that the viewer has read a notice; the first time counts.")
    async def read_notice(
        self, info: Info, input_: Annotated[ReadNoticeInput, strawberry.argument(name="input")]
    ) -> ReadNoticePayload:
        """Note that a notice was read."""

        async def do(work: Work, notice: UUID) -> None:
            await notices.mark_read(work, [notice])

        row = desk.find(input_.notice_id, "no")
        done = await desk.upon(info, "read_notice", input_, row, do, scope="read")
        return ReadNoticePayload(notice=done.row, user_errors=done.errors)
