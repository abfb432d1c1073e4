"""What stands behind an entry of the record, so that its reader can check it alone."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import strawberry

from evidence import attestation
from odr import bundles
from odr.procedure.acts import Role
from schema.context import Context
from schema.scalars import Int64


@strawberry.type(
    description="An entry's exact bytes and what binds them: formats in evidence/README.md."
)
class Attestation:
    """One entry with its neighbours, body, and receipt or proof."""

    stream: str
    entry: str = strawberry.field(description="The entry's exact text, canonical JSON.")
    before: str | None = strawberry.field(description="The text of the stream's entry before.")
    after: str | None = strawberry.field(description="The text of the stream's entry after it.")
    body: str | None = strawberry.field(
        description="The private body, canonical JSON; null where it is withheld or erased."
    )
    salt: str | None = strawberry.field(description="The salt that binds the body, hex.")
    receipt: str | None = strawberry.field(description="The receipt, a signed note.")
    log: str | None = strawberry.field(description="The log in which the entry has its place.")
    index: Int64 | None = strawberry.field(
        description="Its number in the log, once a checkpoint covers it."
    )
    proof: str | None = strawberry.field(
        description="Its tlog-proof under the log's last checkpoint, once there is one."
    )
    keys: list[str] = strawberry.field(
        description="Verifier keys of receipts and log, as the service tells them."
    )


async def attestations(context: Any, rows: Sequence[Mapping[str, Any]]) -> list[Attestation | None]:
    """Read what stands behind entries, in one go; bodies as the bundle shows them."""
    office = cast("Context", context).office
    operator = cast("Context", context).actor.operator
    places = [(row["stream"], row["sequence"]) for row in rows]
    async with office.connected() as conn, conn.begin():
        await conn.execute(bundles.ONE_MOMENT)
        found = await attestation.read(conn, office.vault, places)
    return [
        None
        if one is None
        else _shown(one, bundles.shows(row["act"], _roles(row), operator=operator))
        for one, row in zip(found, rows, strict=True)
    ]


def _roles(row: Mapping[str, Any]) -> set[Role]:
    return {Role(role) for role in row["roles"] or ()}


def _shown(one: attestation.Attestation, shown: bool) -> Attestation:  # noqa: FBT001 - private
    body = one.body if shown and one.salt is not None else None
    return Attestation(
        stream=str(one.stream),
        entry=one.entry.decode(),
        before=None if one.before is None else one.before.decode(),
        after=None if one.after is None else one.after.decode(),
        body=None if body is None else body.decode(),
        salt=None if body is None or one.salt is None else one.salt.hex(),
        receipt=one.receipt,
        log=one.origin,
        index=None if one.index is None else Int64(one.index),
        proof=one.proof,
        keys=list(one.keys),
    )
