"""A time-stamping authority (RFC 3161) on loopback: `openssl ts -reply` behind a small server."""

import subprocess
import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
SHA256 = bytes.fromhex("608648016503040201")
SHA384 = bytes.fromhex("608648016503040202")

CONFIG = """
[ tsa ]
default_tsa = one
[ one ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
{certs}
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority(AbstractContextManager["Authority"]):
    """Has a root and a signing certificate of its own; `.behaviour` makes it difficult."""

    def __init__(self, folder: Path, *, holds: timedelta = 400 * DAY, chain: bool = False) -> None:
        name = "Authority"
        folder.mkdir()
        self._folder = folder
        self._name = name
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._root_name = _name(f"{name} Root")
        self.root = _signed(
            self._root_name, self._root_name, self._root_key, self._root_key, 9000 * DAY, ca=True
        )
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(_pem(self.root))
        # With its root it sends certificates in openssl's order, which is not DER's.
        certs = f"certs = {folder}/chain.pem" if chain else ""
        (folder / "serial").write_text("01\n")
        (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder, certs=certs))
        self.behaviour = "good"
        self.count = 0
        self.renew(holds)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/tsa"

    def renew(self, holds: timedelta) -> None:
        """Take a new key and certificate, which ends after so long (or has ended before)."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(_name(self._name), self._root_name, key, self._root_key, holds, ca=False)
        (self._folder / "tsa.pem").write_bytes(_pem(made))
        (self._folder / "chain.pem").write_bytes(_pem(self.root))
        (self._folder / "tsa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def answer(self, query: bytes) -> bytes:
        """What the authority answers, in its behaviour."""
        self.count += 1
        if self.behaviour == "wrong nonce":  # the nonce stands last but for certReq
            query = query[:-4] + bytes([query[-4] ^ 1]) + query[-3:]
        if self.behaviour == "wrong digest":
            at = query.index(b"\x04\x20") + 2
            query = query[:at] + bytes(32) + query[at + 32 :]
        if self.behaviour == "refuses":  # a digest that it does not take
            query = query.replace(SHA256, SHA384)
        asked, made = self._folder / f"{self.count}.tsq", self._folder / f"{self.count}.tsr"
        asked.write_bytes(query)
        subprocess.run(
            [
                *("openssl", "ts", "-reply", "-config", str(self._folder / "openssl.cnf")),
                *("-queryfile", str(asked), "-out", str(made)),
            ],
            check=False,
            capture_output=True,
        )
        return b"no answer" if self.behaviour == "garbage" else made.read_bytes()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(authority: Authority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            if authority.behaviour == "down":
                self.send_response(503)
                self.end_headers()
                return
            body = authority.answer(query)
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)


def _signed(
    subject: x509.Name, issuer: x509.Name, key: Any, signing: Any, holds: timedelta, *, ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9000 * DAY if ca else min(now, now + holds) - DAY)
        .not_valid_after(now + holds)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
        .add_extension(_usage(signs=not ca), critical=True)
    )
    if not ca:
        stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        made = made.add_extension(stamping, critical=True)
    return made.sign(signing, hashes.SHA256())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )
