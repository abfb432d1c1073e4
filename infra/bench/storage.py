"""Deposits: through the service, beside a plain put of the same bytes."""

import asyncio
import io
import itertools
import os
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from PIL import Image

from infra.bench.client import request
from infra.bench.data import Person
from infra.bench.figures import AnswerError, Do, spread
from infra.settings import Settings

SIZE: Final = 3 * 2**20
LARGE: Final = 64 * 2**20
LARGE_MIB_MAX: Final = 60.0
BUCKET: Final = "bench"
_SIDE: Final = 1400
_CREATED: Final = 201
_THREADS: Final = 16


def film() -> bytes:
    """What begins as an MP4 does, and is as long as a large one."""
    named = b"ftypmp42" + bytes(4) + b"mp42isom"
    return ((len(named) + 4).to_bytes(4) + named).ljust(LARGE, b"\0")


def photo() -> bytes:
    """A JPEG of exactly 3 MiB: noise, and nothing after its end but what fills it up."""
    noise = random.Random(3).randbytes(_SIDE * _SIDE * 3)  # noqa: S311 - a picture, no secret
    image = Image.frombytes("RGB", (_SIDE, _SIDE), noise)
    for quality in range(95, 20, -5):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        if len(file.getvalue()) <= SIZE:
            return file.getvalue().ljust(SIZE, b"\0")
    raise ValueError("no such photo")


def uploads(person: Person, data: bytes, media_type: str = "image/jpeg") -> Callable[[], bytes]:
    """The request that uploads it."""
    headers = {"content-type": media_type, "x-filename": "photo.jpg", **person.headers}
    whole = request("PUT", "/uploads", data, headers)
    return lambda: whole


def taken(status: int, body: bytes) -> None:
    """Refuse an answer that is no upload."""
    if status != _CREATED:
        raise AnswerError(f"{status} {body[:500]!r}")


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket, as it is reached."""

    url: str
    access_key: str
    secret_key: str
    region: str

    def client(self, connections: int = 8) -> Any:
        """A plain boto3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(max_pool_connections=connections),
        )

    def made(self) -> "Bucket":
        """The bucket, made with Object Lock if it is not there."""
        client = self.client()
        names = [each["Name"] for each in client.list_buckets()["Buckets"]]
        if BUCKET not in names:
            client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        return self

    def settings(self) -> dict[str, Any]:
        """The service's settings for it."""
        return {
            "store": f"s3://{BUCKET}",
            "s3_endpoint": self.url,
            "s3_region": self.region,
            "s3_access_key": self.access_key,
            "s3_secret_key": self.secret_key,
        }


async def peak(process: int, do: Callable[[], Awaitable[None]]) -> float:
    """How much memory a process takes for something, beyond what it has before: MiB."""
    folder = Path(f"/proc/{process}")
    (folder / "clear_refs").write_text("5")  # proc_pid_clear_refs(5): the peak begins anew
    before = _memory(folder, "VmRSS")
    await do()
    return (_memory(folder, "VmHWM") - before) / 1024


def _memory(folder: Path, name: str) -> int:
    lines = (folder / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


class Received:
    """Where the limit puts what it received: plain boto3, in threads."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is reached yet; without an S3 in the settings nothing may be put."""
        self._settings = settings
        self._numbers = itertools.count()
        self._threads = ThreadPoolExecutor(_THREADS)

    async def put(self, body: bytes, media_type: str) -> None:
        """``put_object`` under a new key."""
        key = f"received/{os.getpid()}/{next(self._numbers)}"
        put = partial(self._client.put_object, Bucket=BUCKET, Key=key, Body=body)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, partial(put, ContentType=media_type))

    @cached_property
    def _client(self) -> Any:
        given = self._settings
        assert given.s3_endpoint is not None
        assert given.s3_access_key is not None
        assert given.s3_secret_key is not None
        assert given.s3_region is not None
        bucket = Bucket(
            given.s3_endpoint,
            given.s3_access_key.get_secret_value(),
            given.s3_secret_key.get_secret_value(),
            given.s3_region,
        )
        return bucket.client(_THREADS)


def puts(bucket: Bucket, data: bytes, connections: int) -> Do:
    """The limit of deposits in S3: ``put_object`` of the same bytes, in as many threads."""
    client, threads = bucket.client(connections), ThreadPoolExecutor(connections)
    numbers = itertools.count()

    def put() -> None:
        key = f"plain/{connections}/{os.getpid()}/{next(numbers)}"
        client.put_object(Bucket=BUCKET, Key=key, Body=data, ContentType="image/jpeg")

    return _in_threads(put, threads, connections)


def written(folder: Path, data: bytes, connections: int) -> Do:
    """The limit of deposits in a folder: written and synced, the file and its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, threads = itertools.count(), ThreadPoolExecutor(connections)

    def put() -> None:
        path = folder / f"{connections}-{next(numbers)}"
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    return _in_threads(put, threads, connections)


def _in_threads(put: Callable[[], None], threads: ThreadPoolExecutor, connections: int) -> Do:
    async def one() -> None:
        await asyncio.get_running_loop().run_in_executor(threads, put)

    async def do(count: int) -> None:
        await spread(count, [one] * connections)

    return do
