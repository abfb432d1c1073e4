"""Content credentials (C2PA) of a file: whether it carries any, and whether they hold.

Most files carry none, and that shows without parsing: a manifest store is a JUMBF box labelled
"c2pa" (C2PA 2.2, 11.1.4), so a file in which these four bytes do not stand has none. The others
are read by evidence/manifest.py, native code on hostile bytes: in a process of its own, started
for one file with an empty environment, with limits on memory and time, which can open neither
files nor sockets. So nothing is fetched: a manifest that lies elsewhere, revocation, and trust
lists that are not handed in are not looked at.

Who signed is only known against a list of trusted signers (`anchors`, PEM). Without one a signature
that holds is VALID and says that the file was not changed since somebody signed it.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from evidence.errors import Malformed, NotAnswered

MARK: Final = b"c2pa"
SIZE_MAX: Final = 64 * 1024 * 1024
"""Larger files, which are films, are not looked at."""

TEXT_MAX: Final = 200
CODES_MAX: Final = 20
TYPES: Final = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/heic", "video/mp4", "application/pdf"}
)
_TOP: Final = Path(__file__).resolve().parents[1]
_ANSWER_MAX: Final = 64 * 1024


class State(StrEnum):
    """What the credentials of a file are."""

    ABSENT = "absent"
    VALID = "valid"
    TRUSTED = "trusted"
    BROKEN = "broken"
    UNREADABLE = "unreadable"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a file's credentials say; texts are as the file has them, and may lie if not TRUSTED.

    `generated`: they say that a trained model made the picture or a part of it; `edited`: they
    name a change besides making, opening and publishing; `codes`: what does not hold, by C2PA's
    own codes.
    """

    state: State
    signer: str = ""
    tool: str = ""
    signed: datetime | None = None
    generated: bool = False
    edited: bool = False
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process that reads credentials may use; `memory_bytes` is all it maps."""

    memory_bytes: int = 2 * 1024 * 1024 * 1024
    cpu_seconds: int = 10
    wall_seconds: float = 60.0


async def examine(
    pieces: AsyncIterable[bytes],
    media_type: str,
    *,
    anchors: str = "",
    limits: Limits | None = None,
) -> Credentials:
    """Look at a file's credentials; `anchors` are the certificates of trusted signers, in PEM.

    UNSEEN for types that carry none and files beyond SIZE_MAX, UNREADABLE if reading them took
    more than the limits or ended the process. NotAnswered if it cannot be started, or took too
    long by the clock on the wall. Whoever gives `pieces` closes them.
    """
    if media_type not in TYPES:
        return Credentials(State.UNSEEN)
    gathered = bytearray()
    async for piece in pieces:
        gathered += piece
        if len(gathered) > SIZE_MAX:
            return Credentials(State.UNSEEN)
    if MARK not in gathered:
        return Credentials(State.ABSENT)
    head = json.dumps({"media_type": media_type, "anchors": anchors}).encode() + b"\n"
    answer = await _asked(head + gathered, limits or Limits())
    if answer is None:
        return Credentials(State.UNREADABLE)
    try:
        return read(json.loads(answer))
    except (ValueError, Malformed):
        return Credentials(State.UNREADABLE)


async def _asked(question: bytes, limits: Limits) -> bytes | None:
    """What the process answers; None if it died."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "evidence.manifest", json.dumps(asdict(limits))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_TOP,
            env={"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
            limit=_ANSWER_MAX,
        )
    except OSError as error:
        raise NotAnswered("the reader of credentials", "it does not start") from error
    try:
        async with asyncio.timeout(limits.wall_seconds):
            answer, _ = await process.communicate(question)
    except TimeoutError as error:
        raise NotAnswered("the reader of credentials", "wall_time") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer if process.returncode == 0 and len(answer) <= _ANSWER_MAX else None


def read(value: Any) -> Credentials:
    """Read what `write` gave; Malformed if it is anything else."""
    if not isinstance(value, dict) or value.keys() != _NAMES:
        raise Malformed("credentials have their names and no others")
    texts = [value["signer"], value["tool"], *_listed(value["codes"])]
    if not all(isinstance(each, str) and _fits(each) for each in texts):
        raise Malformed("texts of credentials are short and printable")
    if not all(type(value[name]) is bool for name in ("generated", "edited")):
        raise Malformed("credentials say yes or no")
    try:
        state = State(value["state"])
        signed = None if value["signed"] is None else datetime.fromisoformat(value["signed"])
    except (TypeError, ValueError) as error:
        raise Malformed("credentials have a state and a time") from error
    if signed is not None and signed.tzinfo is None:
        raise Malformed("the time of a signature has its zone")
    return Credentials(
        state,
        value["signer"],
        value["tool"],
        signed,
        value["generated"],
        value["edited"],
        tuple(value["codes"]),
    )


_NAMES: Final = set(Credentials.__slots__)


def write(given: Credentials) -> dict[str, Any]:
    """Give credentials as JSON can hold them."""
    signed = None if given.signed is None else given.signed.isoformat()
    return asdict(given) | {"signed": signed, "codes": list(given.codes)}


def _listed(codes: Any) -> list[Any]:
    if not isinstance(codes, list) or len(codes) > CODES_MAX:
        raise Malformed("credentials list a few codes")
    return codes


def _fits(text: str) -> bool:
    return len(text) <= TEXT_MAX and (not text or text.isprintable())
