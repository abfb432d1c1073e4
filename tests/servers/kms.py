"""A key-management service on loopback that speaks AWS KMS's JSON protocol, and can be difficult.

It has keys, aliases and a state for each, encrypts for real (AES-256-GCM, the encryption context
bound as associated data) and refuses what the real one refuses, in its words.
"""

import base64
import json
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REGION = "eu-central-1"
ACCESS_KEY = "AKIDCONCORDTESTS"


@dataclass
class Key:
    """A key of the service."""

    arn: str
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    state: str = "Enabled"
    usage: str = "ENCRYPT_DECRYPT"


class Refusal(Exception):  # noqa: N818 -- as the service calls it
    """What the service answers in place of a result."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


Answer = Callable[[dict[str, Any]], dict[str, Any]]


class KeyManagement(AbstractContextManager["KeyManagement"]):
    """`.next` are refusals, words of `_Handler` or changes to answers, one for each request."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.aliases: dict[str, str] = {}
        self.next: deque[Refusal | str | Answer] = deque()
        self.always: Refusal | str | Answer | None = None
        self.calls: Counter[str] = Counter()
        self.contexts: list[dict[str, str]] = []
        self.denied: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def make(self, alias: str | None = None) -> Key:
        """Make a key, and have an alias name it."""
        number = secrets.token_hex(8)
        key = Key(f"arn:aws:kms:{REGION}:111122223333:key/{number}")
        self.keys[key.arn] = key
        if alias is not None:
            self.aliases[f"alias/{alias}"] = key.arn
        return key

    def do(self, target: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked, or refuse it."""
        self.calls[target] += 1
        if target in self.denied:
            raise Refusal("AccessDeniedException")
        key = self._find(asked["KeyId"])
        if target == "DescribeKey":
            told = {"Arn": key.arn, "KeyState": key.state, "KeyUsage": key.usage}
            return {"KeyMetadata": told | {"KeyId": key.arn.rpartition("/")[2]}}
        if key.state == "Disabled":
            raise Refusal("DisabledException")
        if key.state != "Enabled":
            raise Refusal("KMSInvalidStateException")
        self.contexts.append(asked.get("EncryptionContext", {}))
        if target == "Encrypt":
            return _encrypt(key, asked)
        if target == "Decrypt":
            return self._decrypt(key, asked)
        raise Refusal("UnknownOperationException")

    def _decrypt(self, key: Key, asked: dict[str, Any]) -> dict[str, Any]:
        data = base64.b64decode(asked["CiphertextBlob"])
        name, rest = data[1 : 1 + data[0]], data[1 + data[0] :]
        if name.decode(errors="replace") not in self.keys:
            raise Refusal("InvalidCiphertextException")
        if name.decode() != key.arn:
            raise Refusal("IncorrectKeyException")
        try:
            plain = AESGCM(key.secret).decrypt(rest[:12], rest[12:], _context(asked))
        except (InvalidTag, ValueError):
            raise Refusal("InvalidCiphertextException") from None
        return {"KeyId": key.arn, "Plaintext": base64.b64encode(plain).decode()}

    def _find(self, name: str) -> Key:
        arn = self.aliases.get(name, name)
        for key in self.keys.values():
            if arn in {key.arn, key.arn.rpartition("/")[2]}:
                return key
        raise Refusal("NotFoundException")

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


def _encrypt(key: Key, asked: dict[str, Any]) -> dict[str, Any]:
    nonce, name = secrets.token_bytes(12), key.arn.encode()
    plain = base64.b64decode(asked["Plaintext"])
    sealed = AESGCM(key.secret).encrypt(nonce, plain, _context(asked))
    data = bytes([len(name)]) + name + nonce + sealed
    return {"CiphertextBlob": base64.b64encode(data).decode(), "KeyId": key.arn}


def _context(asked: dict[str, Any]) -> bytes:
    return json.dumps(asked.get("EncryptionContext", {}), sort_keys=True).encode()


def _handler(service: KeyManagement) -> type[BaseHTTPRequestHandler]:  # noqa: C901 -- one class
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            turn = service.next.popleft() if service.next else service.always
            try:
                self._check()
                if isinstance(turn, Refusal):
                    raise turn
                target = self.headers["X-Amz-Target"].removeprefix("TrentService.")
                answer = service.do(target, json.loads(body))
                status, data = 200, answer
                if callable(turn):
                    data = turn(answer)
            except Refusal as refusal:
                status, data = refusal.status, {"__type": refusal.code, "message": "no"}
            self._answer(status, json.dumps(data).encode(), turn if isinstance(turn, str) else "")

        def _check(self) -> None:
            """The request is of the protocol, and signed."""
            if self.headers["Content-Type"] != "application/x-amz-json-1.1":
                raise Refusal("SerializationException")
            signed = self.headers.get("Authorization", "")
            if not signed.startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"):
                raise Refusal("UnrecognizedClientException")
            if f"/{REGION}/kms/aws4_request" not in signed:
                raise Refusal("InvalidSignatureException")

        def _answer(self, status: int, data: bytes, how: str) -> None:
            if how == "hang":
                time.sleep(1.5)
                return
            if how == "cut":
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) + 100))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                return
            if how == "garbage":
                data = b"<html>no keys here</html>"
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    return Handler
