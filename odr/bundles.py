"""Bundles: a case's record for whoever asks, redacted to what they may see, to be verified offline.

A bundle holds the streams of the rooms that the asker can read. Of an entry that stands in such a
stream but says what they may not read (talk, for an insurer) the private body is withheld: chain
and root still verify.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import select, text

from evidence import bundle
from evidence.body import Body
from evidence.bundle import Contents
from evidence.errors import PartFailed
from odr import custody, policy
from odr.errors import NotFound, Unavailable
from odr.models.cases import Case
from odr.models.states import Channel
from odr.policy import SERVICE, Viewer
from odr.procedure.acts import Act, Role
from odr.work import Office, Work

_ROOMS: Final = {
    Channel.RECORD: "record_stream",
    Channel.MEDIATION: "mediation_stream",
    Channel.CLAIMANT_CAUCUS: "claimant_stream",
    Channel.RESPONDENT_CAUCUS: "respondent_stream",
}
_TALK: Final = frozenset({Act.SEND_MESSAGE.value, Act.REPORT_MESSAGE.value})
ONE_MOMENT: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


async def export(
    office: Office, viewer: Viewer, number: str, extra: Mapping[str, bytes] | None = None
) -> Path:
    """Write the bundle of a case to a file of its own; who asked removes it, and its folder.

    ``extra`` are further files for extra/, by their names.
    ``NotFound`` for whoever has no seat in the case and is not the operator; ``Unavailable`` if
    the store fails, and nothing is left then.
    """
    policy.require(viewer, "read")
    async with office.connected() as conn, conn.begin():
        await conn.execute(ONE_MOMENT)
        at = (await conn.execute(text("SELECT service_now()"))).scalar_one()
        work = Work(office, viewer, at, at, conn, SERVICE.account_id)
        case, contents = await _collected(work, number)
    folder = Path(tempfile.mkdtemp(prefix="concord-bundle-"))
    path = folder / f"concord-{case.number}.zip"
    about = {"case": case.number, "rulebook": case.rulebook, "state": case.state}
    try:
        await bundle.write(
            office.vault,
            contents,
            path,
            name=f"concord-{case.number}",
            made=at,
            extra={
                "case.json": orjson.dumps(about, option=orjson.OPT_INDENT_2),
                "custody.jsonld": custody.graph(case.id, case.number, contents),
                **(extra or {}),
            },
        )
    except BaseException as error:
        await asyncio.to_thread(shutil.rmtree, folder)
        if isinstance(error, PartFailed):
            raise Unavailable(error.part) from error
        raise
    return path


async def _collected(work: Work, number: str) -> tuple[Case, Contents]:
    columns = Case.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(*columns, policy.roles_in_case(columns.id).label("seated")).where(
        columns.number == number, policy.sees_case()
    )
    row = (await work.conn.execute(statement, work.actor.parameters())).mappings().one_or_none()
    if row is None:
        raise NotFound
    roles = {Role(role) for role in row["seated"] or ()}
    streams = [
        row[name]
        for channel, name in _ROOMS.items()
        if row[name] is not None and _reads(work.actor, roles, channel)
    ]
    if not streams:
        raise NotFound

    def may_see(_stream: UUID, _seq: int, body: Body) -> bool:
        return shows(body.act, roles, operator=work.actor.operator)

    contents = await bundle.collect(work.conn, streams, may_see)
    return Case(**{name: row[name] for name in columns.keys()}), contents  # noqa: SIM118 - a column collection iterates columns


def shows(act: str, roles: set[Role], *, operator: bool) -> bool:
    """Whether what an act of a room says is shown to whoever reads the room in these roles."""
    return operator or bool(roles - {Role.INSURER}) or act not in _TALK


def _reads(viewer: Viewer, roles: set[Role], channel: Channel) -> bool:
    if viewer.operator and channel is Channel.RECORD:
        return True
    return any(policy.reads_channel(role, channel) for role in roles)
