"""The witness's program: its HTTP server, on the standard library's, and its key file.

``POST /add-checkpoint`` is the protocol (evidence/witness.py); ``GET /`` tells its verifier keys.
A connection that sends too much or too slowly is ended.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from evidence import keys, note
from evidence.errors import Malformed
from evidence.keys import LocalSigner
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE
from evidence.witness import REQUEST_MAX, TEXT, Answer, Witness

_SECONDS_MAX = 10
_KINDS = (ED25519_COSIGNATURE, MLDSA44_COSIGNATURE)


def signers(folder: Path, name: str, passphrase: str) -> list[LocalSigner]:
    """Open the witness's keys, or make them where there are none."""
    path = folder / "keys.json"
    if not path.exists():
        made = keys.generate()
        for kind in _KINDS:
            made = made.with_new_signer(name, kind)
        keys.save(made, path, passphrase)
    found = keys.load(path, passphrase)
    return [found.cosigner(name, kind) for kind in _KINDS]


def known(logs: list[str]) -> dict[str, list[note.VerifierKey]]:
    """Read the verifier keys of logs; those of one name are of one log."""
    found: dict[str, list[note.VerifierKey]] = {}
    for text in logs:
        key = note.read_verifier_key(text)
        found.setdefault(key.name, []).append(key)
    return found


class Server(ThreadingHTTPServer):
    """Bound and not serving yet; port 0 takes a free one. `clock` dates the cosignatures."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], witness: Witness, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(address, Handler)
        self.witness = witness
        self.clock = clock


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "witness"
    sys_version = ""
    timeout = _SECONDS_MAX

    def do_POST(self) -> None:
        """Take a checkpoint."""
        length = self.headers.get("content-length", "")
        if self.path != "/add-checkpoint":
            self._answer(Answer(404, "POST /add-checkpoint\n"))
        elif not length.isascii() or not length.isdigit():
            self._answer(Answer(411, "the length is needed\n"))
        elif int(length) > REQUEST_MAX:
            self._answer(Answer(413, f"at most {REQUEST_MAX} bytes\n"))
        else:
            body = self.rfile.read(int(length))
            try:
                answer = asyncio.run(self.server.witness.add_checkpoint(body, self.server.clock()))
            except Malformed as error:
                sys.stderr.write(f"{error}\n")
                answer = Answer(500, "the witness's state cannot be read\n")
            self._answer(answer)

    def do_GET(self) -> None:
        """Tell the verifier keys."""
        self._answer(Answer(200, "".join(f"{key}\n" for key in self.server.witness.keys)))

    def _answer(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("content-type", answer.media_type or TEXT)
        self.send_header("content-length", str(len(body)))
        if answer.status in (411, 413):
            self.close_connection = True  # the body was not read
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the standard library's name
        """Log nothing of who asked."""
