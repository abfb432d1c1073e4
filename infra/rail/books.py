"""What the fake rail remembers: payments, keys, what is to happen, and what is to be told.

It outlives our crashes, as a bank does: everything is in SQLite, on disk if a file is named. Time
is the machine's, and can be moved forward: a key is forgotten after a day, a payment returned
after a week. The module knows no HTTP.
"""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DAY: Final = 86_400.0
KEYS_KEPT_SECONDS: Final = DAY
RETURNED_AFTER_SECONDS: Final = 7 * DAY
TOLD_LATE_SECONDS: Final = 8 * DAY
HIDDEN: Final = "hidden"
"""The state of a payment that was asked for and is not executed yet: nobody can see it."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS payments (
    number INTEGER PRIMARY KEY, reference TEXT NOT NULL, payee TEXT NOT NULL,
    purpose TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, asked REAL NOT NULL, times_paid INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS payments_by_reference ON payments (reference);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, body TEXT NOT NULL, payment INTEGER NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY, payment INTEGER NOT NULL, at REAL NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tellings (
    number INTEGER PRIMARY KEY, event TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS scripts (
    number INTEGER PRIMARY KEY, reference TEXT NOT NULL, what TEXT NOT NULL, how TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS clock (ahead REAL NOT NULL);
INSERT INTO clock SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM clock);
"""
_ANY: Final = "*"


class KeyTaken(Exception):  # noqa: N818 - said as one would say it
    """The key was used for another payment, or what it asked for is still under way."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks to have paid."""

    reference: str
    payee: str
    purpose: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Telling:
    """A webhook that is to be sent."""

    number: int
    body: str
    tries: int


class Books:
    """The rail's memory; used from one thread."""

    def __init__(self, file: Path | None = None, *, settle_seconds: float = 0.0) -> None:
        self._db = sqlite3.connect(file or ":memory:", isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)
        self._settle_seconds = settle_seconds

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Time.

    def now(self) -> float:
        """The rail's time, in seconds since 1970."""
        return time.time() + float(self._db.execute("SELECT ahead FROM clock").fetchone()[0])

    def advance(self, seconds: float) -> None:
        """Move the rail's time forward."""
        self._db.execute("UPDATE clock SET ahead = ahead + ?", (seconds,))
        self.ripen()

    def ripen(self) -> None:
        """Let everything happen that is due, in order, and forget old keys."""
        now = self.now()
        due = self._db.execute("SELECT * FROM changes WHERE at <= ? ORDER BY at, number", (now,))
        for change in due.fetchall():
            self._db.execute("DELETE FROM changes WHERE number = ?", (change["number"],))
            self._change(change["payment"], change["state"], change["reason"], change["at"])
        self._db.execute("DELETE FROM keys WHERE at <= ?", (now - KEYS_KEPT_SECONDS,))

    # Scripts.

    def script(self, what: str, how: list[str], reference: str = _ANY) -> None:
        """Say how the next requests of a kind go, for one reference or for any."""
        rows = [(reference, what, each) for each in how]
        self._db.executemany("INSERT INTO scripts (reference, what, how) VALUES (?, ?, ?)", rows)

    def next(self, what: str, reference: str, *, keep: bool = False) -> str:
        """How the next request of a kind goes; ``keep`` leaves it for those after it."""
        row = self._db.execute(
            "SELECT number, how FROM scripts WHERE what = ? AND reference IN (?, ?)"
            " ORDER BY reference = ?, number LIMIT 1",
            (what, reference, _ANY, _ANY),
        ).fetchone()
        if row is None:
            return ""
        if not keep:
            self._db.execute("DELETE FROM scripts WHERE number = ?", (row["number"],))
        return str(row["how"])

    # Payments.

    def known(self, key: str, order: Order) -> dict[str, Any] | None:
        """What the key led to before; ``KeyTaken`` if that was another order, or is under way."""
        row = self._db.execute("SELECT body, payment FROM keys WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        payment = self.payment(row["payment"])
        if row["body"] != _body(order) or payment["state"] == HIDDEN:
            raise KeyTaken(key)
        return payment

    def open(self, key: str, order: Order, state: str, reason: str = "") -> int:
        """Take an order in under a key; HIDDEN if it is to be executed later."""
        number = self._db.execute(
            "INSERT INTO payments (reference, payee, purpose, amount_minor, currency, state,"
            " reason, asked, times_paid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                order.reference,
                order.payee,
                order.purpose,
                order.amount_minor,
                order.currency,
                state,
                reason,
                self.now(),
            ),
        ).lastrowid
        assert number is not None
        self._db.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?)", (key, _body(order), number, self.now())
        )
        return number

    def plan(self, number: int, state: str, after: float | None = None, reason: str = "") -> None:
        """Let a payment change later; by default after the time that settling takes."""
        seconds = self._settle_seconds if after is None else after
        self._db.execute(
            "INSERT INTO changes (payment, at, state, reason) VALUES (?, ?, ?, ?)",
            (number, self.now() + seconds, state, reason),
        )

    def forget(self, key: str) -> None:
        """Forget a key, as after a day."""
        self._db.execute("DELETE FROM keys WHERE key = ?", (key,))

    def payment(self, number: int) -> dict[str, Any]:
        """A payment as the rail shows it."""
        row = self._db.execute("SELECT * FROM payments WHERE number = ?", (number,)).fetchone()
        return _shown(row)

    def find(self, reference: str) -> list[dict[str, Any]]:
        """The payments with a reference that can be seen."""
        rows = self._db.execute(
            "SELECT * FROM payments WHERE reference = ? AND state <> ?", (reference, HIDDEN)
        )
        return [_shown(row) for row in rows]

    def all(self) -> list[dict[str, Any]]:
        """Every payment, with how often money left for it, for whoever checks us."""
        rows = self._db.execute("SELECT * FROM payments ORDER BY number")
        return [_shown(row) | {"times_paid": row["times_paid"]} for row in rows]

    def _change(self, number: int, state: str, reason: str, at: float) -> None:
        self._db.execute(
            "UPDATE payments SET state = ?, reason = ?, times_paid = times_paid + ?"
            " WHERE number = ?",
            (state, reason, state == "paid", number),
        )
        if state != "accepted":
            self._tell(number, at)

    # Webhooks.

    def _tell(self, number: int, at: float) -> None:
        """Queue what is told of a change: once, twice, never or late, as the script says."""
        payment = self.payment(number)
        how = self.next("webhooks", payment["reference"], keep=True) or "once"
        if how == "never":
            return
        if how == "late" and payment["state"] == "paid":
            at += TOLD_LATE_SECONDS
        event = f"ev_{number}_{payment['state']}"
        body = json.dumps({"event": event, "payment": payment})
        times = 2 if how == "twice" else 1
        rows = [(event, at, body)] * times
        self._db.executemany("INSERT INTO tellings (event, at, body) VALUES (?, ?, ?)", rows)

    def due(self, limit: int = 100) -> list[Telling]:
        """The webhooks that are due, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM tellings WHERE at <= ? ORDER BY at, number LIMIT ?", (self.now(), limit)
        )
        return [Telling(row["number"], row["body"], row["tries"]) for row in rows]

    def delivered(self, number: int) -> None:
        """A webhook was taken, or is given up."""
        self._db.execute("DELETE FROM tellings WHERE number = ?", (number,))

    def put_off(self, number: int, seconds: float) -> None:
        """A webhook was not taken: try again."""
        self._db.execute(
            "UPDATE tellings SET at = ?, tries = tries + 1 WHERE number = ?",
            (self.now() + seconds, number),
        )


def _body(order: Order) -> str:
    return json.dumps([order.reference, order.payee, order.amount_minor, order.currency])


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": f"rp_{row['number']}",
        "reference": row["reference"],
        "amount_minor": row["amount_minor"],
        "currency": row["currency"],
        "state": row["state"],
        "reason": row["reason"],
    }
