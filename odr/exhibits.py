"""Exhibits: items of evidence, given by a side, answered by the other, walled or released."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlmodel import col

from evidence.blob import Blob
from evidence.errors import HarmfulFile, Quarantined
from odr import cases, erasures, holds, ids, outbox, policy, uploads, vouchers
from odr.cases import Entry, Held
from odr.errors import Invalid, NotFound, TooMuch, Unavailable
from odr.models.cases import Reading
from odr.models.dialogue import Exhibit, ExhibitAnswer, Message, Upload
from odr.models.findings import ExhibitFinding
from odr.models.states import Channel
from odr.policy import SERVICE
from odr.procedure import table
from odr.procedure.acts import Act
from odr.vouchers import Voucher
from odr.words import ExhibitKind, Side
from odr.work import Work

EXAMINE: Final = "examine"
"""The kind of the outbox rows by which the worker finds exhibits to examine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An upload that is given as evidence, and what its giver says of it.

    ``voucher`` are a document's own facts (carrier, tracking number, dates), as typed fields;
    ``challenge`` is the message whose code the picture shows.
    """

    upload_id: UUID
    kind: ExhibitKind
    title: str
    description: str = ""
    voucher: Voucher | None = None
    challenge: UUID | None = None


async def submit_exhibit(
    work: Work, case_id: UUID, given: Given, *, version: int | None = None
) -> UUID:
    """Give an item of evidence; in mediation it stays behind the wall until it is released."""
    held = await cases.hold(work, case_id, Act.SUBMIT_EXHIBIT, version=version)
    (exhibit_id,) = await add(work, held, [given], held.channel)
    return exhibit_id


async def add(work: Work, held: Held, given: Sequence[Given], channel: Channel) -> tuple[UUID, ...]:
    """Number, insert and record exhibits of the actor's side, each with an entry of its own."""
    side = held.party
    counted = select(func.coalesce(func.max(col(Exhibit.number)), 0)).where(
        col(Exhibit.case_id) == held.id, col(Exhibit.side) == side
    )
    last = (await work.conn.execute(counted)).scalar_one()
    most = held.rulebook.limits.exhibits_per_side
    if last + len(given) > most:
        raise TooMuch(limit="exhibits_per_side", maximum=most)
    row = table.step(held.case.state, Act.SUBMIT_EXHIBIT, held.roles)
    added = []
    for number, item in enumerate(given, last + 1):
        added.append(await _add(work, held, item, number, channel, row))
    return tuple(added)


async def _add(
    work: Work, held: Held, item: Given, number: int, channel: Channel, row: table.Row
) -> UUID:
    side = held.party
    voucher = _voucher(item)
    await _check_challenge(work, held, item, channel)
    blob, filename = await _taken(work, item.upload_id)
    exhibit = Exhibit(
        id=ids.child(held.id) if row is not held.row else work.result,
        case_id=held.id,
        side=side,
        number=number,
        kind=item.kind,
        title=_title(item.title),
        description=item.description[:4000],
        channel=channel,
        blob_id=blob.id,
        filename=filename,
        media_type=blob.plaintext.media_type,
        size=blob.plaintext.size,
        sha256=blob.plaintext.sha256,
        voucher=voucher,
        challenge_id=item.challenge,
        account_id=work.actor.account_id,
        at=work.at,
    )
    await work.conn.execute(insert(Exhibit).values(exhibit.model_dump()))
    label = f"{side.letter}-{number}"
    said = {
        "exhibit": str(exhibit.id),
        "label": label,
        "kind": item.kind.value,
        "title": exhibit.title,
        "description": exhibit.description,
        "filename": filename,
        "voucher": voucher,
    }
    if item.challenge is not None:
        said["challenge"] = str(item.challenge)
    entry = Entry(
        said=said,
        shown={"exhibit": str(exhibit.id), "label": label},
        channel=channel,
        blob=blob,
    )
    await cases.advance(work, cases.regarding(held, row), entry)
    await outbox.put(work.conn, EXAMINE, exhibit.id)
    await holds.given(work, held.id)
    return exhibit.id


def _voucher(item: Given) -> dict[str, Any] | None:
    """What a document says, checked for its kind, as the row and the record hold it."""
    if item.voucher is None:
        return None
    return vouchers.to_json(vouchers.check(item.kind, item.voucher))


async def _check_challenge(work: Work, held: Held, item: Given, channel: Channel) -> None:
    """Refuse a challenge that the actor's side was not given, or not where the exhibit goes."""
    if item.challenge is None:
        return
    asked = select(col(Message.id)).where(
        col(Message.id) == item.challenge,
        col(Message.case_id) == held.id,
        col(Message.asks) == held.party,
        col(Message.channel).in_({Channel.RECORD, channel}),
    )
    if (await work.conn.execute(asked)).first() is None:
        raise Invalid(("challenge",), "unknown")


def _title(title: str) -> str:
    if not title.strip() or len(title) > 200:  # noqa: PLR2004 - the column's own bound
        raise Invalid(("title",), "missing" if not title.strip() else "too_long", maximum=200)
    return title.strip()


async def _taken(work: Work, upload_id: UUID) -> tuple[Blob, str]:
    """Take an upload of the actor's for good; ``NotFound`` if it is not theirs or was used.

    ``Unavailable`` while it is in quarantine, and ``Invalid`` if that found it harmful.
    """
    taken = (
        await work.conn.execute(
            update(Upload)
            .where(
                col(Upload.id) == upload_id,
                col(Upload.account_id) == work.actor.account_id,
                col(Upload.used_at).is_(None),
            )
            .values(used_at=work.at)
            .returning(col(Upload.blob_id), col(Upload.filename))
        )
    ).one_or_none()
    if taken is None:
        raise NotFound
    try:
        blob = await work.office.quarantine.keep(work.conn, taken.blob_id, at=work.at)
    except Quarantined as waiting:
        raise Unavailable("quarantine") from waiting
    except HarmfulFile as harmful:
        raise uploads.refusal(harmful) from harmful
    return blob, taken.filename


async def answer_exhibit(
    work: Work,
    exhibit_id: UUID,
    body: str,
    *,
    finding_id: UUID | None = None,
    version: int | None = None,
) -> UUID:
    """Answer an exhibit of the other side, once; or, either side once, a finding about one."""
    found = await _exhibit(work, exhibit_id)
    held = await cases.hold(work, found.case_id, Act.ANSWER_EXHIBIT, version=version)
    side = held.party
    if finding_id is not None:
        await _check_finding(work, found, held, finding_id)
    elif found.side == side:
        raise Invalid(("exhibit",), "own_exhibit")
    if not body.strip() or len(body) > 4000:  # noqa: PLR2004 - the column's own bound
        raise Invalid(("body",), "missing" if not body.strip() else "too_long", maximum=4000)
    answered = await work.conn.execute(
        select(col(ExhibitAnswer.id)).where(
            col(ExhibitAnswer.exhibit_id) == exhibit_id,
            col(ExhibitAnswer.side) == side,
            col(ExhibitAnswer.finding_id).is_not_distinct_from(finding_id),
        )
    )
    if answered.first() is not None:
        raise Invalid(("exhibit" if finding_id is None else "finding",), "answered_already")
    channel = held.channel if found.channel == held.channel else Channel(found.channel)
    if held.channel is Channel.MEDIATION:
        channel = Channel.MEDIATION
    await work.conn.execute(
        insert(ExhibitAnswer).values(
            id=work.result,
            case_id=held.id,
            exhibit_id=exhibit_id,
            finding_id=finding_id,
            side=side,
            channel=channel,
            body=body,
            account_id=work.actor.account_id,
            at=work.at,
        )
    )
    said = {"exhibit": str(exhibit_id), "body": body}
    if finding_id is not None:
        said["finding"] = str(finding_id)
    entry = Entry(
        said=said,
        shown={"exhibit": str(exhibit_id), "label": label(found)},
        channel=channel,
    )
    await cases.advance(work, held, entry)
    return work.result


async def _check_finding(work: Work, exhibit: Exhibit, held: Held, finding_id: UUID) -> None:
    """Refuse a finding that is not about this exhibit, or an exhibit behind the wall."""
    of_exhibit = select(col(ExhibitFinding.id)).where(
        col(ExhibitFinding.id) == finding_id, col(ExhibitFinding.exhibit_id) == exhibit.id
    )
    if (await work.conn.execute(of_exhibit)).first() is None:
        raise Invalid(("finding",), "unknown")
    if exhibit.channel not in {Channel.RECORD, held.channel}:
        raise Invalid(("finding",), "in_mediation_only")


async def release_exhibit(work: Work, exhibit_id: UUID, *, version: int | None = None) -> UUID:
    """Let the arbitrator see an exhibit that one's own side gave in mediation."""
    found = await _exhibit(work, exhibit_id)
    held = await cases.hold(work, found.case_id, Act.RELEASE_EXHIBIT, version=version)
    if found.side != held.party:
        raise NotFound
    if found.channel == Channel.RECORD:
        raise Invalid(("exhibit",), "released_already")
    await work.conn.execute(
        update(Exhibit)
        .where(col(Exhibit.id) == exhibit_id)
        .values(channel=Channel.RECORD, released_at=work.at)
    )
    entry = Entry(
        said={
            "exhibit": str(exhibit_id),
            "label": label(found),
            "kind": found.kind.value,
            "title": found.title,
            "sha256": bytes(found.sha256).hex(),
            "size": found.size,
            "media_type": found.media_type,
        },
        shown={"exhibit": str(exhibit_id), "label": label(found)},
    )
    await cases.advance(work, held, entry)
    return exhibit_id


def label(exhibit: Exhibit) -> str:
    """The exhibit's label in its case: A-1, B-2, N-1."""
    return f"{Side(exhibit.side).letter}-{exhibit.number}"


async def _exhibit(work: Work, exhibit_id: UUID) -> Exhibit:
    """An exhibit by its id; whether the actor may see it is asked when its case is held."""
    columns = Exhibit.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    found = (
        (await work.conn.execute(select(*columns).where(columns.id == exhibit_id)))
        .mappings()
        .one_or_none()
    )
    if found is None:
        raise NotFound
    return Exhibit(**found)


async def opened(work: Work, exhibit_id: UUID, copy: str | None = None) -> Blob:
    """The file of an exhibit that the actor may see, or a derived copy of it; ``NotFound``.

    ``Gone`` from the moment at which its erasure stands in the record.

    ``copy`` is its kind (``thumbnail``, ``screen``, ``poster``, ``page-1`` …). The reading is
    noted, but for a thumbnail, which lists show without being asked.
    """
    policy.require(work.actor, "read")
    columns = Exhibit.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = select(columns.case_id, columns.blob_id).where(
        columns.id == exhibit_id, policy.sees_in_channel(columns.case_id, columns.channel)
    )
    found = (await work.conn.execute(statement, work.actor.parameters())).one_or_none()
    if found is None:
        raise NotFound
    await erasures.require_kept(work.conn, exhibit_id)
    blob_id = found.blob_id
    if copy is not None:
        copies = await work.office.quarantine.derivatives(work.conn, blob_id)
        blob_id = next((each.blob for each in copies if each.kind == copy), None)
        if blob_id is None:
            raise NotFound
    if copy != "thumbnail":
        await read(work, found.case_id, "exhibit", exhibit_id)
    return await work.vault.find_blob(work.conn, blob_id)


async def read(work: Work, case_id: UUID, kind: str, subject_id: UUID) -> None:
    """Note that the actor read an exhibit's file; the parties can see who read what."""
    if work.actor is not SERVICE:
        await work.conn.execute(
            insert(Reading).values(
                id=ids.child(case_id),
                case_id=case_id,
                account_id=work.actor.account_id,
                kind=kind,
                subject_id=subject_id,
                at=work.at,
            )
        )
