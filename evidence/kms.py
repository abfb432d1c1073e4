"""A key ring whose key-encryption key never leaves AWS's key-management service, or one like it.

The boto3 client is handed in, made with CONFIG below so that a service that hangs is given up; its
blocking calls run in threads of the ring's own. It reads no settings.

A blob's key is encrypted by `Encrypt` under one key of the service, with what it is for as
encryption context, and opened by `Decrypt` under the key whose id stands beside it, in the same
context: bytes that were put into another row, or are under another key, do not open. What a service
says is compared with what was asked for, and what it encrypted is opened again before anything
depends on it: a service that answers nonsense costs an error and no file.

Ids are `kms:` and the key's ARN. An alias is resolved once, when the ring is opened: keys that were
wrapped before an alias moved on keep their ARN.
"""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from evidence.cipher import KEY_SIZE
from evidence.errors import KeyMissing, KeysFailed, KeysRefused, Tampered
from evidence.keys import Wrapped

CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=16,
)
PREFIX: Final = "kms:"
WRAPPED_MAX: Final = 1024

_CONTEXT: Final = "vault"
_MISSING: Final = frozenset({"NotFoundException"})
_DOES_NOT_OPEN: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_REFUSED: Final = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidKeyUsageException",
        "InvalidSignatureException",
        "KMSInvalidStateException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


class KmsKeyRing:
    """One key of the service, `key` by its id, ARN or alias; call `open` before anything else.

    `call_seconds_max` bounds every call, its repetitions included.
    """

    def __init__(
        self, client: Any, key: str, *, call_seconds_max: float = 20, threads: int = 8
    ) -> None:
        self._client = client
        self._key = key
        self._arn: str | None = None
        self._call_seconds_max = call_seconds_max
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="kms")

    def close(self) -> None:
        """Let the threads go; calls under way end first."""
        self._threads.shutdown()

    async def open(self) -> None:
        """Ask for the key and whether it can wrap.

        KeyMissing if there is none, KeysRefused if it is disabled or not for encrypting,
        KeysFailed if the service does not answer.
        """
        answer = await self._call(self._client.describe_key, KeyId=self._key)
        told = answer.get("KeyMetadata", {})
        arn, state, usage = told.get("Arn"), told.get("KeyState"), told.get("KeyUsage")
        if not isinstance(arn, str) or not arn:
            raise KeysFailed("the key-management service names no key")
        if state != "Enabled" or usage != "ENCRYPT_DECRYPT":
            raise KeysRefused(f"the key {arn} is {state}, for {usage}")
        self._arn = arn

    @property
    def current(self) -> str:
        """The id of the key, as it was found when the ring was opened."""
        assert self._arn is not None, "the ring was not opened"
        return PREFIX + self._arn

    async def wrap(self, key: bytes, of: str) -> Wrapped:
        """Encrypt a key, and see that it opens again."""
        arn = self.current.removeprefix(PREFIX)
        answer = await self._call(
            self._client.encrypt, KeyId=arn, Plaintext=key, EncryptionContext={_CONTEXT: of}
        )
        data = answer.get("CiphertextBlob")
        if (
            answer.get("KeyId") != arn
            or not isinstance(data, bytes)
            or not KEY_SIZE < len(data) <= WRAPPED_MAX
        ):
            raise KeysFailed("the key-management service did not encrypt as it was asked")
        wrapped = Wrapped(data, PREFIX + arn)
        try:
            again = await self.unwrap(wrapped, of)
        except Tampered:
            again = b""
        if not hmac.compare_digest(again, key):
            raise KeysFailed("what the key-management service encrypted does not open again")
        return wrapped

    async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:
        """Decrypt a key under the key that its id names; KeyMissing if that is no id of KMS."""
        if not wrapped.key_id.startswith(PREFIX):
            raise KeyMissing(f"no wrapping key {wrapped.key_id}")
        arn = wrapped.key_id.removeprefix(PREFIX)
        answer = await self._call(
            self._client.decrypt,
            KeyId=arn,
            CiphertextBlob=wrapped.data,
            EncryptionContext={_CONTEXT: of},
        )
        key = answer.get("Plaintext")
        if answer.get("KeyId") != arn or not isinstance(key, bytes) or len(key) != KEY_SIZE:
            raise KeysFailed("the key-management service did not decrypt as it was asked")
        return key

    async def _call(self, call: Callable[..., Any], **asked: Any) -> dict[str, Any]:
        """Run one blocking call in a thread, in bounded time, with errors in the vault's words."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._call_seconds_max):
                answer = await loop.run_in_executor(self._threads, lambda: call(**asked))
        except TimeoutError:
            raise KeysFailed(
                f"the key-management service did not answer within {self._call_seconds_max} s"
            ) from None
        except ClientError as error:
            raise _translate(error) from error
        except (BotoCoreError, HTTPClientError, OSError, ValueError) as error:
            raise KeysFailed(
                f"the key-management service failed: {type(error).__name__}"
            ) from error
        if not isinstance(answer, dict):
            raise KeysFailed("the key-management service answered nonsense")
        return answer


def _translate(error: ClientError) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _MISSING:
        return KeyMissing("the key-management service has no such key")
    if code in _DOES_NOT_OPEN:
        return Tampered("a wrapped key does not open")
    if code in _REFUSED:
        return KeysRefused(f"the key-management service refuses: {code}")
    return KeysFailed(f"the key-management service failed: {code}")
