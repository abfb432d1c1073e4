"""A timestamp (RFC 3161): an authority's signed word that some bytes were there at a time.

What is stamped is the SHA-256 of a checkpoint's whole signed note. Before the certificate that
signed a timestamp ends, it is renewed: a new one over the older answer's DER and the note after
it, so that the old one is known to be older than its certificate's end. A chain of these counts
from the time of its first.

Answers are kept as they came (TimeStampResp, DER, with the certificates asked for), since they
are read by other programs too: evidence/openssl.py checks the same with `openssl ts`. Here it is
rfc3161-client, newer than 1.0.2: up to that it did not check the token's signature, and a test
sees to it that this one does. What it cannot read is left to the program. It knows no HTTP.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerificationError
from rfc3161_client import TimeStampResponse as Response

from evidence import openssl
from evidence.errors import Malformed, NotStamped, Tampered

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"
ANSWER_SIZE_MAX = 64 * 1024

_GRANTED = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A request as it is sent, and the nonce that the answer must repeat."""

    der: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer was found to say: when (UTC), and until when its certificate holds."""

    time: datetime
    expires: datetime


def message(checkpoint: bytes, before: bytes = b"") -> bytes:
    """Give what is stamped: the note, in a renewal behind the answer that is renewed."""
    return before + checkpoint


def ask(data: bytes) -> Query:
    """Make the request for a timestamp over these bytes: SHA-256, a nonce, with certificates."""
    made = (
        TimestampRequestBuilder()
        .data(data)
        .hash_algorithm(HashAlgorithm.SHA256)
        .cert_request(cert_request=True)
        .nonce(nonce=True)
        .build()
    )
    assert made.nonce is not None
    return Query(made.as_bytes(), made.nonce)


def verify(
    answer: bytes,
    data: bytes,
    roots: Sequence[x509.Certificate],
    *,
    at: datetime,
    nonce: int | None = None,
) -> Stamp:
    """Check an answer over these bytes, as somebody who looks at it at `at`.

    1. It is an answer that grants, with one signer and its certificate.
    2. Signature and chain lead to one of the roots, at the time that it says.
    3. It is over the SHA-256 of these bytes, and repeats the nonce, if one is given.
    4. Its time is not after `at`, and its certificate had not ended by then.

    Malformed if it is no answer; NotStamped if it refuses or is no longer good at `at`; Tampered
    if it is about something else or signed by somebody else.
    """
    if len(answer) > ANSWER_SIZE_MAX:
        raise Malformed("a timestamp this long is none")
    try:
        response = rfc3161_client.decode_timestamp_response(answer)
    except ValueError:
        stamp = _verify_by_program(answer, data, roots, at=at, nonce=nonce)
    else:
        stamp = _verify(response, answer, data, roots, nonce=nonce)
    if stamp.time > at:
        raise NotStamped("a timestamp of a later time")
    if stamp.expires <= at:
        raise NotStamped(f"its certificate ended on {stamp.expires}, and it was not renewed")
    return stamp


def verify_chain(
    answers: Sequence[bytes], checkpoint: bytes, roots: Sequence[x509.Certificate], *, at: datetime
) -> Stamp:
    """Check a timestamp with its renewals, oldest first; the time is the oldest's.

    Each is looked at as of the time of the one that renewed it, the last as of `at`.
    """
    if not answers:
        raise Malformed("no timestamp at all")
    expires: datetime | None = None
    for number in reversed(range(len(answers))):
        before = answers[number - 1] if number else b""
        stamp = verify(answers[number], message(checkpoint, before), roots, at=at)
        at, expires = stamp.time, expires or stamp.expires
    return Stamp(at, expires or at)


def _verify(
    response: Response,
    answer: bytes,
    data: bytes,
    roots: Sequence[x509.Certificate],
    *,
    nonce: int | None,
) -> Stamp:
    if response.as_bytes() != answer:
        raise Malformed("a timestamp with something around it")
    if response.status != _GRANTED:
        raise NotStamped(f"refused: {' '.join(response.status_string) or response.status}")
    builder = rfc3161_client.VerifierBuilder(roots=list(roots))
    if nonce is not None:
        builder = builder.nonce(nonce)
    try:
        builder.build().verify_message(response, data)
    except VerificationError as error:
        raise Tampered(f"a timestamp that does not hold: {error}") from None
    except ValueError as error:
        raise Malformed(f"not a timestamp: {error}") from None
    return Stamp(response.tst_info.gen_time, _expires(response))


def _verify_by_program(
    answer: bytes,
    data: bytes,
    roots: Sequence[x509.Certificate],
    *,
    at: datetime,
    nonce: int | None,
) -> Stamp:
    if not openssl.is_there():
        raise Malformed("a timestamp that the library does not read, and no openssl is there")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(one.public_bytes(Encoding.PEM) for one in roots))
        file.flush()
        told = openssl.verify(answer, data, Path(file.name), at=at)
    if nonce is not None and told.nonce != nonce:
        raise Tampered("a timestamp that does not hold: Nonce mismatch")
    return Stamp(told.time, told.expires)


def _expires(response: Response) -> datetime:
    """Give the end of the signer's certificate, or of one above it that ends earlier."""
    found = [x509.load_der_x509_certificate(one) for one in response.signed_data.certificates]
    return min(one.not_valid_after_utc for one in found)
