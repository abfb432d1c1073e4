"""The succession of a log's keys, as the log itself tells it in a stream of its own.

The stream's first entry opens the log and tells the keys that sign it; another follows whenever
other keys sign, and one that declares a key compromised. They are entries like all others: public
are their commitments, and the bodies with their salts are shown on the log's page.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import lineage, note, shard
from evidence.chain import Appended
from evidence.entry import to_microseconds
from evidence.errors import LogMissing
from evidence.note import Signature, VerifierKey
from evidence.signature import ED25519
from evidence.vault import Vault

TELL_KEYS: Final = "tell_log_keys"
DECLARE_COMPROMISE: Final = "declare_log_key_compromised"

_HISTORY: Final = text(
    "SELECT l.index AS place, e.salt, e.body, e.entry FROM vault_leaves o"
    " JOIN vault_leaves l USING (origin, stream)"
    " JOIN vault_entries e ON e.stream = l.stream AND e.seq = l.seq"
    " WHERE o.origin = :origin AND o.index = 0 ORDER BY l.index"
).bindparams(bindparam("origin", type_=Text()))

_OWN_STREAM: Final = text(
    "SELECT l.stream, (SELECT e.body FROM vault_entries e WHERE e.stream = l.stream"
    " AND e.body->'body'->'keys' IS NOT NULL ORDER BY e.seq DESC LIMIT 1) AS body"
    " FROM vault_leaves l WHERE l.origin = :origin AND l.index = 0"
).bindparams(bindparam("origin", type_=Text()))


@dataclass(frozen=True, slots=True)
class Own:
    """An entry that a log wrote of itself: its index, and the salt and body that it commits to.

    ``entry`` are its exact bytes.
    """

    index: int
    salt: bytes
    body: dict[str, Any]
    entry: bytes


async def history(conn: AsyncConnection, origin: str) -> list[Own]:
    """Read what a log says of itself and its keys, in its own stream, as far as it has a place."""
    rows = await conn.execute(_HISTORY, {"origin": origin})
    return [Own(row.place, row.salt, row.body, row.entry) for row in rows if row.salt is not None]


async def tell(conn: AsyncConnection, vault: Vault, origin: str, now: datetime) -> None:
    """Log the keys that sign from now on, if they are not those that were told last."""
    if shard.name(vault.origin, now) != origin:
        return  # its year is over: the next log begins with them
    own = (await conn.execute(_OWN_STREAM, {"origin": origin})).one()
    last = {} if own.body is None else own.body["body"]
    now_signing = keys(vault, origin), [str(vault.receipt_key)]
    if (last.get("keys"), last.get("receipts")) != now_signing:
        body = await statement(vault, origin)
        await vault.append(conn, own.stream, act=TELL_KEYS, body=body, at=now)


async def statement(vault: Vault, origin: str) -> dict[str, Any]:
    """Say which keys sign from now on, signed by those of them that sign plain text.

    Whoever trusts one that was told before and signs here trusts all of these.
    """
    told, receipts = keys(vault, origin), [str(vault.receipt_key)]
    body: dict[str, Any] = {"keys": told, "log": origin, "receipts": receipts}
    text_ = lineage.write(origin, told, receipts)
    plain = [one for one in vault.log_signers(origin) if one.key.kind == ED25519]
    if plain:
        lines = [
            Signature(one.key.name, one.key.id, await one.sign(text_.encode())) for one in plain
        ]
        body["signed"] = note.join(text_, lines)
    return body


def keys(vault: Vault, origin: str) -> list[str]:
    """Give the verifier keys of who signs a log now."""
    return [str(signer.key) for signer in vault.log_signers(origin)]


async def declare(
    conn: AsyncConnection, vault: Vault, key: VerifierKey, since: datetime, now: datetime
) -> Appended:
    """Log that a key of the log may have been somebody else's since then; LogMissing without one.

    It goes into the log that grows, whatever year's name the key has.
    """
    origin = shard.name(vault.origin, now)
    own = (await conn.execute(_OWN_STREAM, {"origin": origin})).first()
    if own is None:
        raise LogMissing(origin)
    body = {"key": str(key), "log": origin, "since": to_microseconds(since)}
    return await vault.append(conn, own.stream, act=DECLARE_COMPROMISE, body=body, at=now)


def keys_told(told: Iterable[Own]) -> list[list[str]]:
    """Give the verifier keys that a log's history tells, each time all that signed from then on."""
    return [one.body["body"]["keys"] for one in told if "keys" in one.body["body"]]


async def signing(conn: AsyncConnection, vault: Vault, origin: str) -> list[str]:
    """Give the verifier keys of a log's last checkpoint: those that the log told last.

    Where it told none that can be read, those that sign it now.
    """
    told = keys_told(await history(conn, origin))
    return told[-1] if told else keys(vault, origin)
