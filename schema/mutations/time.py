"""Time, which moves in a demonstration only: the mutation is not there otherwise."""

from datetime import datetime, timedelta
from typing import Annotated, Final

import strawberry
from sqlalchemy import Interval, bindparam, text

from odr.errors import Invalid
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload

HOURS_MAX: Final = 365 * 24
_ADVANCE: Final = text("SELECT advance_service_clock(:step)").bindparams(
    bindparam("step", type_=Interval())
)
_NOW: Final = text("SELECT service_now()")


def _step(days: int, hours: int) -> timedelta:
    for name, value in (("days", days), ("hours", hours)):
        if not 0 <= value <= HOURS_MAX:
            raise Invalid((name,), "out_of_bounds", minimum=0, maximum=HOURS_MAX)
    step = timedelta(days=days, hours=hours)
    if not timedelta(0) < step <= timedelta(hours=HOURS_MAX):
        raise Invalid(("hours",), "out_of_bounds", minimum=1, maximum=HOURS_MAX)
    return step


@strawberry.input(description="Move the service's time forward, by a year at most.")
class MoveTimeInput(Input):
    """How far."""

    days: int = 0
    hours: int = 0


@strawberry.type
class MoveTimePayload(Payload):
    """The service's time."""

    now: datetime | None


@strawberry.type
class TimeActs:
    """What can be done in a demonstration only."""

    @does("Move the service's time forward; in a demonstration only.")
    async def move_time(
        self, info: Info, input_: Annotated[MoveTimeInput, strawberry.argument(name="input")]
    ) -> MoveTimePayload:
        """Move the clock and wake the worker."""

        async def do(work: Work) -> None:
            step = _step(input_.days, input_.hours)
            await work.conn.execute(_ADVANCE, {"step": step})

        done = await desk.act(info, "move_time", input_, do, scope="read")
        async with info.context.office.connected() as connection:
            now = (await connection.execute(_NOW)).scalar_one()
        return MoveTimePayload(now=now, user_errors=done.errors)
