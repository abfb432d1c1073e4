"""Whether both sides did the same: answers and rows compared, but for what must differ.

Ids, instants, hashes, numbers and keys are masked by their form; all else is compared, so that a
limit that does less than the service is an error and no figure.
"""

import json
import re
from typing import Any, Final
from uuid import UUID

import asyncpg

_MASKS: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[a-z]{2}[0-9a-f]{12}8[0-9a-f]{19}\b"), "<global id>"),
    (re.compile(r"\\x[0-9a-f]{20,}|\b[0-9a-f]{64}\b"), "<bytes>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+"), "<instant>"),
    (re.compile(r"\b\d{4}-\d{4}-\d{4}-\d\d\b"), "<number>"),
    (re.compile(r"\n\d{13,}(?=\n)"), "\n<microseconds>"),
    (re.compile(r"(\u2014 \S+) \S+"), r"\1 <signature>"),
    (re.compile(r"^[0-9a-f]{24}$"), "<key>"),
)
_OF_CASE: Final = {
    "cases": "id = $1",
    "seats": "case_id = $1",
    "claims": "case_id = $1",
    "offers": "case_id = $1",
    "acts": "case_id = $1",
    "clocks": "case_id = $1",
    "notices": "case_id = $1",
    "outbox": "subject_id IN (SELECT id FROM notices WHERE case_id = $1)",
    "idempotency": "result_id = $1 OR result_id IN (SELECT id FROM offers WHERE case_id = $1)",
    "vault_streams": "id IN (SELECT stream_id FROM acts WHERE case_id = $1)",
    "vault_entries": "stream IN (SELECT stream_id FROM acts WHERE case_id = $1)",
    "vault_receipts": "stream IN (SELECT stream_id FROM acts WHERE case_id = $1)",
    "ledger.accounts": "owner = $1",
    "ledger.transfers": "cause = $1",
    "ledger.balances": "account IN (SELECT id FROM ledger.accounts WHERE owner = $1)",
}


class OtherError(AssertionError):
    """The two sides did not do the same."""


def masked(value: Any) -> Any:
    """The value without what must differ."""
    if isinstance(value, dict):
        return {name: masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, str):
        for pattern, name in _MASKS:
            value = pattern.sub(name, value)
    return value


async def rows(admin: asyncpg.Connection, case: UUID) -> dict[str, list[Any]]:
    """All rows that belong to a case, masked, by table."""
    found = {}
    for table, condition in _OF_CASE.items():
        sql = f"SELECT to_json(t)::text FROM {table} t WHERE {condition}"
        kept = [masked(json.loads(row[0])) for row in await admin.fetch(sql, case)]
        found[table] = sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))
    return found


def check(ours: Any, limit: Any, path: str) -> None:
    """Raise ``OtherError`` at the first place where the two differ; order of members is free."""
    if isinstance(ours, dict) and isinstance(limit, dict):
        if ours.keys() != limit.keys():
            raise OtherError(f"{path}: members {sorted(ours.keys() ^ limit.keys())}")
        for name, each in ours.items():
            # A cursor is opaque: it has to be there.
            if name != "endCursor" or None in (each, limit[name]):
                check(each, limit[name], f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(limit, list) and len(ours) == len(limit):
        for number, pair in enumerate(zip(ours, limit, strict=True)):
            check(*pair, f"{path}[{number}]")
    elif ours != limit:
        raise OtherError(f"{path}: {ours!r:.200} and {limit!r:.200}")
