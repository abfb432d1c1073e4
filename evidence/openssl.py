"""Checks timestamps (RFC 3161) with the `openssl` program, where no library for them is there.

For the offline verifier, which needs nothing but the standard library and `cryptography`; for
answers that the library does not read, since it is stricter than some authorities (certificates
must be in DER's order); and for whoever trusts that program more. It gives the same verdicts as
evidence/timestamp.py; a test compares.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from evidence.errors import Malformed, NotStamped, Tampered

_SECONDS_MAX = 30
_SEQUENCE = 0x30
_TIME = re.compile(
    r"^Time stamp: (?P<time>[A-Z][a-z]{2} [ 0-9]\d [0-9:]{8})(?:\.\d+)? (?P<year>\d{4}) GMT$",
    re.MULTILINE,
)
_GRANTED = re.compile(r"^Status: Granted\.$", re.MULTILINE)
_NONCE = re.compile(r"^Nonce: 0x([0-9A-F]+)$", re.MULTILINE)
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 -- as the calendar reads


def is_there() -> bool:
    """Say whether the program can be run."""
    return shutil.which("openssl") is not None


def command(answer: str, data: str, roots: str) -> str:
    """Write how somebody checks an answer by hand."""
    return f"openssl ts -verify -in {answer} -data {data} -CAfile {roots}"


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says: its time (whole seconds, UTC), its nonce, until when it holds."""

    time: datetime
    nonce: int | None
    expires: datetime


def verify_chain(
    answers: Sequence[bytes], checkpoint: bytes, roots: Path, *, at: datetime
) -> datetime:
    """Check a timestamp with its renewals, oldest first; gives the oldest's time.

    Malformed, NotStamped and Tampered as evidence/timestamp.py raises them, as far as the
    program tells them apart.
    """
    if not answers:
        raise Malformed("no timestamp at all")
    for number in reversed(range(len(answers))):
        before = answers[number - 1] if number else b""
        at = verify(answers[number], before + checkpoint, roots, at=at).time
    return at


def verify(answer: bytes, data: bytes, roots: Path, *, at: datetime) -> Told:
    """Check one answer over these bytes as of `at`, and give what it says."""
    if not _is_one_value(answer):  # openssl would pass over what follows
        raise Malformed("not a timestamp, or something around it")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "answer.tsr").write_bytes(answer)
        (folder / "data").write_bytes(data)
        told = _read(folder)
        _verify(folder, roots, told.time)  # as of the time that it says: the signature, the chain
        if told.time > at:
            raise NotStamped("a timestamp of a later time")
        try:
            _verify(folder, roots, at)
        except Tampered as error:
            raise NotStamped(f"its certificate ended, and it was not renewed: {error}") from None
    return told


def _is_one_value(der: bytes) -> bool:
    """Say whether these bytes are one SEQUENCE of DER with nothing behind it."""
    if len(der) < 2 or der[0] != _SEQUENCE:  # noqa: PLR2004 -- a tag and a length
        return False
    length, long = der[1], der[1] - 0x80
    if long < 0:
        return len(der) == 2 + length
    return len(der) == 2 + long + int.from_bytes(der[2 : 2 + long], "big")


def _read(folder: Path) -> Told:
    answer, token = folder / "answer.tsr", folder / "token.p7s"
    told = _run("-reply", "-in", str(answer), "-text")
    if told.returncode:
        raise Malformed("not a timestamp")
    if not _GRANTED.search(told.stdout):
        raise NotStamped("refused by the authority")
    if _run("-reply", "-in", str(answer), "-token_out", "-out", str(token)).returncode:
        raise Malformed("a timestamp without a token")
    shown = _run("-inform", "DER", "-in", str(token), "-print_certs", of="pkcs7")
    try:
        certificates = x509.load_pem_x509_certificates(shown.stdout.encode())
    except ValueError:
        raise Malformed("a timestamp without the certificate that signed it") from None
    nonce = _NONCE.search(told.stdout)
    return Told(
        _time(told.stdout),
        int(nonce[1], 16) if nonce else None,
        min(one.not_valid_after_utc for one in certificates),
    )


def _verify(folder: Path, roots: Path, at: datetime) -> None:
    done = _run(
        *("-verify", "-in", str(folder / "answer.tsr"), "-data", str(folder / "data")),
        *("-CAfile", str(roots), "-attime", str(int(at.timestamp()))),
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if ":error:" in line]
        why = ":".join(lines[-1].split(":")[-4:]) if lines else "openssl does not verify it"
        raise Tampered(f"a timestamp that does not hold: {why}")


def _run(*arguments: str, of: str = "ts") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- the arguments are ours, no shell reads them
        ["openssl", of, *arguments],  # noqa: S607 -- wherever the machine has it
        capture_output=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin", "OPENSSL_CONF": "/dev/null"},
        text=True,
        timeout=_SECONDS_MAX,
        errors="replace",
    )


def _time(told: str) -> datetime:
    found = _TIME.search(told)
    if found is None:
        raise Malformed("a timestamp that tells no time")
    month, day, clock = found["time"].split()
    hour, minute, second = map(int, clock.split(":"))
    number = _MONTHS.index(month) + 1
    return datetime(int(found["year"]), number, int(day), hour, minute, second, tzinfo=UTC)
