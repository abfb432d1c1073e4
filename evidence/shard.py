"""Shards: one log for each year under the vault's origin, so that no log grows without end.

A vault of the origin ``vault.example`` writes, in 2026 (UTC), entries for the log
``vault.example/2026``. It knows no database.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

_SHARD = re.compile(r"(.+)/([1-9][0-9]{3})")


def name(origin: str, at: datetime) -> str:
    """Name the log for what is recorded at `at` (aware)."""
    return f"{origin}/{at.astimezone(UTC).year}"


@lru_cache(maxsize=64)
def base(shard: str) -> str | None:
    """Give the origin of a shard; None if it is none."""
    found = _SHARD.fullmatch(shard)
    return found[1] if found else None


def is_over(shard: str, at: datetime) -> bool:
    """Say whether nothing is recorded for this shard any more at `at`."""
    found = _SHARD.fullmatch(shard)
    return found is not None and int(found[2]) < at.astimezone(UTC).year


def following(shard: str) -> str:
    """Name the log of the year after; ValueError if it is none."""
    return _moved(shard, 1)


def before(shard: str) -> str | None:
    """Name the log of the year before; None if it is none."""
    return _moved(shard, -1) if base(shard) else None


def _moved(shard: str, years: int) -> str:
    found = _SHARD.fullmatch(shard)
    if found is None:
        raise ValueError("no shard")
    return f"{found[1]}/{int(found[2]) + years}"
