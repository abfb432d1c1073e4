"""A store on any S3 with versioning and Object Lock; see evidence/store.py for the contract.

The boto3 client is handed in, made with CONFIG below so that a server that hangs is given up;
its blocking calls run in threads of the store's own. It reads no settings.

What S3 servers do differently, and what is done about it:

- Checksums: some ignore `x-amz-checksum-sha256` unless the algorithm is named too, some ignore
  both. Both are always sent, an answer that names another checksum is a failure, and nobody
  relies on it: readers check the digest themselves.
- If-None-Match is ignored by some in buckets with versions (Ceph 16), by some on multipart
  uploads. `check` finds out; without it, and for parts, the versions are listed after the
  write: the oldest is the object, a writer who sees an older one than its own takes its own
  back. Readers name the version, so even a version that stays behind changes nothing for them.
- A repeated attempt may find its own first one: a taken key is compared by the digest that is
  kept in the object's metadata.
"""

import asyncio
import base64
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from evidence.errors import AlreadyStored, Malformed, NotStored, Retained, StoreFailed
from evidence.store import PIECE_SIZE, Protection, Stored, check_key

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

T = TypeVar("T")

CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=32,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)
MULTIPART_SIZE = 64 * 1024 * 1024  # larger objects go up in parts of this size
CANARY = timedelta(minutes=1)  # for so long a canary is locked; the next start removes it

_CANARIES = "canary/"

_NOT_FOUND = {
    "404",
    "NoSuchKey",
    "NoSuchVersion",
    "NotFound",
    "MethodNotAllowed",
    "405",
    "ObjectLockConfigurationNotFoundError",
}
_TAKEN = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
_DENIED = {"403", "AccessDenied", "InvalidRequest", "ObjectLocked"}
_DIGEST = "sha256"  # the metadata under which an object's digest is kept


class S3Store:
    """One bucket, with Object Lock enabled when it was made.

    `call_seconds_max` bounds every call to the server, retries included; `part_size` is the
    size from which and of which parts are made.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        *,
        call_seconds_max: float = 120,
        part_size: int = MULTIPART_SIZE,
        threads: int = 16,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._call_seconds_max = call_seconds_max
        self._part_size = part_size
        self._writes_once = False  # does the server honour If-None-Match here? check() finds out
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="s3")

    def close(self) -> None:
        """Let the threads go; calls under way end first."""
        self._threads.shutdown()

    async def check(self, now: datetime) -> tuple[Protection, ...]:
        """Prove by a canary object what the bucket protects; gives what is missing.

        It is written twice under one name, locked for `CANARY` (COMPLIANCE), and every way to be
        rid of it is tried. StoreFailed without versions, which the contract cannot do without.
        `now` (UTC) is the service's; the server's clock must not be far from it.
        """
        versioning = await self._call(self._client.get_bucket_versioning, Bucket=self._bucket)
        if versioning.get("Status") != "Enabled":
            raise StoreFailed(f"bucket {self._bucket} keeps no versions")
        self._writes_once = await self._probe()
        await self._tidy()
        locks = await self._is_locking(now)
        missing = {Protection.OBJECT_LOCK: not locks, Protection.WRITE_ONCE: not self._writes_once}
        return tuple(each for each, lacks in missing.items() if lacks)

    async def _is_locking(self, now: datetime) -> bool:
        """Say whether a canary's older version is kept, and its lock holds against all of us.

        StoreFailed if a newer version takes the older's place.
        """
        key, data = f"{_CANARIES}{secrets.token_hex(16)}", (b"canary", b"another")
        first, _ = [await self.replace(key, each) for each in data]
        try:
            kept = b"".join([piece async for piece in self.get(key, first.version)])
        except NotStored:
            kept = b""
        if kept != data[0]:
            raise StoreFailed(f"bucket {self._bucket} does not keep the versions that it names")
        place = {"Bucket": self._bucket, "Key": key, "VersionId": first.version}
        lock = {"Mode": "COMPLIANCE", "RetainUntilDate": now + CANARY}
        shorter = lock | {"RetainUntilDate": now + CANARY / 2}
        if not await self._is_done(self._client.put_object_retention, **place, Retention=lock):
            return False
        if await self._retained_until(key, first.version) is None:
            return False
        return not (
            await self._is_done(self._client.put_object_retention, **place, Retention=shorter)
            or await self._is_done(self._client.delete_object, **place)
        )

    async def _is_done(self, call: Callable[..., Any], **given: Any) -> bool:
        """Say whether the server does as it is asked; its refusal is an answer, not a failure."""
        try:
            await self._call(call, **given)
        except (NotStored, _DeniedError):
            return False
        return True

    async def _tidy(self) -> None:
        """Remove the canaries of earlier starts, but for those that are locked yet."""
        listed = await self._call(
            self._client.list_object_versions, Bucket=self._bucket, Prefix=_CANARIES
        )
        for one in listed.get("Versions", []):
            place = {"Bucket": self._bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
            await self._is_done(self._client.delete_object, **place)

    async def put(
        self, key: str, source: BinaryIO, *, size: int, digest: bytes, fresh: bool = False
    ) -> Stored:
        """Write once; over `part_size` in parts, one after the other."""
        check_key(key)
        source.seek(0)
        try:
            if size > self._part_size:
                if not fresh and await self._is_taken(key):
                    return await self._compare(key, size, digest)
                version = await self._put_parts(key, source, size, digest)
            else:
                version = await self._put_whole(key, source, size, digest)
        except _KeyTakenError:
            return await self._compare(key, size, digest)
        if version in (None, "null"):
            raise StoreFailed(f"bucket {self._bucket} keeps no versions")
        if fresh or (self._writes_once and size <= self._part_size):
            return Stored(key, version, size)
        oldest = await self._oldest(key)
        if oldest == version:
            return Stored(key, version, size)
        await self._call(
            self._client.delete_object, Bucket=self._bucket, Key=key, VersionId=version
        )
        return await self._compare(key, size, digest, VersionId=oldest)

    async def replace(self, key: str, data: bytes) -> Stored:
        """Write a newer version; the older ones stay behind it."""
        check_key(key)
        digest = sha256(data).digest()
        version = await self._put_whole(key, BytesIO(data), len(data), digest, once=False)
        if version in (None, "null"):
            raise StoreFailed(f"bucket {self._bucket} keeps no versions")
        return Stored(key, version, len(data))

    async def get(
        self, key: str, version: str, *, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a version while it comes; a connection that breaks in the middle is StoreFailed."""
        check_key(key)
        if size == 0:
            return
        last = "" if size is None else start + size - 1
        span = {} if start == 0 and size is None else {"Range": f"bytes={start}-{last}"}
        answer = _Answer(self._client.get_object)
        try:
            await self._call(answer.open, Bucket=self._bucket, Key=key, VersionId=version, **span)
            while piece := await self._call(answer.read):
                yield piece
        finally:
            # In a thread: closing waits for a read that is under way.
            self._threads.submit(answer.close)

    async def stat(self, key: str) -> Stored:
        """Look at the newest version."""
        check_key(key)
        return _stored(key, await self._head(key))

    async def retain(self, key: str, version: str, until: datetime) -> None:
        """Set COMPLIANCE retention on the version."""
        check_key(key)
        try:
            await self._call(
                self._client.put_object_retention,
                Bucket=self._bucket,
                Key=key,
                VersionId=version,
                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
            )
        except _DeniedError as error:
            if await self._retained_until(key, version) is None:
                raise StoreFailed(str(error)) from error
            raise Retained(f"{key} is retained for longer") from error

    async def hold(self, key: str, version: str, *, on: bool) -> None:
        """Set the version's legal hold ON or OFF."""
        check_key(key)
        await self._call(
            self._client.put_object_legal_hold,
            Bucket=self._bucket,
            Key=key,
            VersionId=version,
            LegalHold={"Status": "ON" if on else "OFF"},
        )

    async def delete(self, key: str, version: str, *, now: datetime) -> None:  # noqa: ARG002 -- the server looks at its own clock
        """Remove the version for good (no delete marker)."""
        check_key(key)
        try:
            await self._call(
                self._client.delete_object, Bucket=self._bucket, Key=key, VersionId=version
            )
        except NotStored:
            return
        except _DeniedError as error:
            head = await self._head(key, VersionId=version)
            held = head.get("ObjectLockLegalHoldStatus") == "ON"
            if head.get("ObjectLockRetainUntilDate") is None and not held:
                raise StoreFailed(str(error)) from error
            raise Retained(f"{key} is retained, or under a legal hold") from error

    async def keys(self, prefix: str) -> AsyncIterator[Stored]:
        """List newest versions, a thousand for each call; retention is not looked up."""
        place: dict[str, str] = {}
        while True:
            page = await self._call(
                self._client.list_object_versions, Bucket=self._bucket, Prefix=prefix, **place
            )
            for one in page.get("Versions", []):
                if one["IsLatest"]:
                    yield Stored(one["Key"], one["VersionId"], one["Size"])
            if not page.get("IsTruncated"):
                return
            place = {
                "KeyMarker": page["NextKeyMarker"],
                "VersionIdMarker": page["NextVersionIdMarker"],
            }

    async def _put_whole(
        self, key: str, source: BinaryIO, size: int, digest: bytes, *, once: bool = True
    ) -> str | None:
        checksum = base64.b64encode(digest).decode()
        answer = await self._call(
            self._client.put_object,
            Bucket=self._bucket,
            Key=key,
            Body=source,
            ContentLength=size,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
            Metadata={_DIGEST: digest.hex()},
            **({"IfNoneMatch": "*"} if once else {}),
        )
        _check_answer(answer, checksum)
        version: str | None = answer.get("VersionId")
        return version

    async def _put_parts(self, key: str, source: BinaryIO, size: int, digest: bytes) -> str | None:
        place = {"Bucket": self._bucket, "Key": key}
        upload = await self._call(
            self._client.create_multipart_upload,
            **place,
            ChecksumAlgorithm="SHA256",
            Metadata={_DIGEST: digest.hex()},
        )
        place["UploadId"] = upload["UploadId"]
        try:
            parts = [
                await self._put_part(place, number, source, min(self._part_size, size - start))
                for number, start in enumerate(range(0, size, self._part_size), 1)
            ]
            answer = await self._call(
                self._client.complete_multipart_upload,
                **place,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
        except BaseException:
            # Shielded: a cancelled deposit must not leave parts that cost room for ever.
            await asyncio.shield(self._abort(place))
            raise
        version: str | None = answer.get("VersionId")
        if version is None:  # some servers name it only when asked
            version = (await self._head(key)).get("VersionId")
        return version

    async def _put_part(
        self, place: dict[str, str], number: int, source: BinaryIO, size: int
    ) -> dict[str, Any]:
        part = await asyncio.to_thread(source.read, size)
        if len(part) != size:
            raise Malformed("the bytes to be stored are not as many as announced")
        checksum = base64.b64encode(sha256(part).digest()).decode()
        answer = await self._call(
            self._client.upload_part,
            **place,
            PartNumber=number,
            Body=part,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
        )
        _check_answer(answer, checksum)
        found = {"ETag": answer["ETag"], "PartNumber": number}
        return found | ({"ChecksumSHA256": checksum} if "ChecksumSHA256" in answer else {})

    async def _abort(self, place: dict[str, str]) -> None:
        try:
            await self._call(self._client.abort_multipart_upload, **place)
        except (NotStored, StoreFailed):
            return  # the bucket's lifecycle rule for unfinished uploads is the second net

    async def _probe(self) -> bool:
        """Write one object twice and say whether the second write was refused."""
        key = f"probe/{secrets.token_hex(16)}"
        versions = []
        try:
            for data in (b"1", b"2"):
                checksum = sha256(data).digest()
                versions.append(await self._put_whole(key, BytesIO(data), len(data), checksum))
        except _KeyTakenError:
            return True
        else:
            return False
        finally:
            for version in versions:
                if version is not None:
                    await self._call(
                        self._client.delete_object,
                        Bucket=self._bucket,
                        Key=key,
                        VersionId=version,
                    )

    async def _oldest(self, key: str) -> str:
        answer = await self._call(
            self._client.list_object_versions, Bucket=self._bucket, Prefix=key
        )
        # Newest first; the key itself sorts before longer keys that begin like it.
        found = [one["VersionId"] for one in answer.get("Versions", []) if one["Key"] == key]
        if not found:
            raise StoreFailed(f"{key} was stored but is not listed")
        return str(found[-1])

    async def _compare(self, key: str, size: int, digest: bytes, **version: str) -> Stored:
        try:
            head = await self._head(key, **version)
        except NotStored:
            raise StoreFailed(f"another writer of {key} did not finish") from None
        found = head.get("Metadata", {}).get(_DIGEST)
        if found != digest.hex() or head["ContentLength"] != size:
            raise AlreadyStored(f"{key} is taken")
        return _stored(key, head)

    async def _is_taken(self, key: str) -> bool:
        try:
            await self._head(key)
        except NotStored:
            return False
        return True

    async def _head(self, key: str, **version: str) -> dict[str, Any]:
        head: dict[str, Any] = await self._call(
            self._client.head_object, Bucket=self._bucket, Key=key, **version
        )
        return head

    async def _retained_until(self, key: str, version: str) -> datetime | None:
        head = await self._head(key, VersionId=version)
        return head.get("ObjectLockRetainUntilDate")

    async def _call(self, call: Callable[..., T], *arguments: Any, **named: Any) -> Any:
        """Run one blocking call in a thread, in bounded time, with errors in the store's words."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._call_seconds_max):
                return await loop.run_in_executor(self._threads, lambda: call(*arguments, **named))
        except TimeoutError:
            raise StoreFailed(
                f"the store did not answer within {self._call_seconds_max} s"
            ) from None
        except ClientError as error:
            raise _translate(error) from error
        except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
            raise StoreFailed(f"the store failed: {error}") from error


class _Answer:
    """An object on its way, whose connection is closed even if nobody waits for it any more."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._body: StreamingBody | None = None
        self._closed = False
        self._lock = threading.Lock()

    def open(self, **asked: Any) -> None:
        body = self._call(**asked)["Body"]
        with self._lock:
            self._body = body
            if self._closed:  # while it was opened
                body.close()

    def read(self) -> bytes:
        assert self._body is not None
        piece: bytes = self._body.read(PIECE_SIZE)
        return piece

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._body is not None:
                self._body.close()


class _KeyTakenError(Exception):
    """The key has an object already."""


class _DeniedError(StoreFailed):
    """The server refuses; whether for a retention is to be found out."""


def _translate(error: ClientError) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _NOT_FOUND:
        return NotStored("no such object or version")
    if code in _TAKEN:
        return _KeyTakenError()
    if code in _DENIED:
        return _DeniedError(f"the store refuses: {error}")
    return StoreFailed(f"the store failed: {error}")


def _check_answer(answer: dict[str, Any], checksum: str) -> None:
    if answer.get("ChecksumSHA256", checksum) != checksum:
        raise StoreFailed("the store says that it stored other bytes")


def _stored(key: str, head: dict[str, Any]) -> Stored:
    return Stored(
        key, head["VersionId"], head["ContentLength"], head.get("ObjectLockRetainUntilDate")
    )
