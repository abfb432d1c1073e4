"""The service's parts, built from its settings: engine, store, keys, vault, office.

Everything that reads or writes outside is made here and handed down, so that a fake is an
argument. What serves pages and what runs the worker take these parts; nothing else builds any.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import boto3
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import kms, media, s3
from evidence.errors import StoreFailed
from evidence.keys import KeyRing
from evidence.kms import KmsKeyRing
from evidence.quarantine import Quarantine
from evidence.s3 import S3Store
from evidence.scanner import Address, Scanner
from evidence.store import DirectoryStore, Protection, Store
from evidence.vault import Vault
from evidence.workshop import Limits, Workshop
from infra import database, keys
from infra.keys import Keys
from infra.postgres import Cluster
from infra.settings import Mode, Settings
from odr import actions, ids, rulebook
from odr.rulebook import Rulebooks
from odr.work import INSPECTED_WITHIN, Office

_DATABASE: Final = "concord"
_CLAMD_PORT: Final = 3310
log = logging.getLogger(__name__)

MERGE_DELAY: Final = timedelta(hours=24)
"""What a receipt promises; the log is mostly seconds behind."""


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the database is, for the service and for what it shows."""

    app: str
    reader: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of. ``bell`` wakes the worker of this process."""

    settings: Settings
    urls: Urls
    engine: AsyncEngine
    keys: Keys
    store: Store
    vault: Vault
    office: Office
    bell: asyncio.Event


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Parts]:
    """Build all parts and take them down again.

    The embedded PostgreSQL is started, and stopped unless another process has it, too.
    """
    warn(settings)
    async with AsyncExitStack() as stack:
        urls = await _urls(settings, stack)
        engine = database.create_engine(urls.app, connections_max=settings.database_connections_max)
        stack.push_async_callback(engine.dispose)
        await database.check(engine)
        opened_keys = await keys.opened(
            settings.keys,
            settings.key_passphrase.get_secret_value(),
            settings.origin,
            await _managed(settings, stack),
        )
        store = await _store(settings, stack)
        vault = Vault(
            origin=settings.origin,
            store=store,
            keyring=opened_keys.keyring,
            receipt_signer=opened_keys.receipts,
            log_signers=opened_keys.logs,
            merge_delay=MERGE_DELAY,
            spool_folder=_spool(settings),
            size_max=sizes(settings),
        )
        bell = asyncio.Event()
        made = office(
            engine,
            _quarantine(settings, vault, stack),
            opened_keys,
            rail=settings.rail.value,
            wake=bell.set,
            approvals=settings.approvals,
            inspected_within=timedelta(seconds=settings.inspect_seconds),
        )
        yield Parts(settings, urls, engine, opened_keys, store, vault, made, bell)


def office(
    engine: AsyncEngine,
    quarantine: Quarantine,
    opened_keys: Keys,
    *,
    rail: str,
    wake: Callable[[], None],
    approvals: Mapping[str, int] | None = None,
    inspected_within: timedelta = INSPECTED_WITHIN,
) -> Office:
    """The office of acts over these parts, with the rulebooks that are installed."""
    return Office(
        engine=engine,
        vault=quarantine.vault,
        quarantine=quarantine,
        rulebooks=Rulebooks(rulebook.load_all()),
        caucus=opened_keys.caucus,
        consequences=actions.CONSEQUENCES,
        rail=rail,
        wake=wake,
        approvals=approvals,
        inspected_within=inspected_within,
    )


def _quarantine(settings: Settings, vault: Vault, stack: AsyncExitStack) -> Quarantine:
    workshop = Workshop(Limits(processes_max=settings.darkrooms_max))
    stack.callback(workshop.close)
    return Quarantine(vault, workshop, ids.child, scanner(settings))


def scanner(settings: Settings) -> Scanner | None:
    """The virus scanner that the settings name."""
    if settings.clamd_url is None:
        return None
    parts = urlsplit(settings.clamd_url)
    at = (
        Address(path=Path(parts.path))
        if parts.scheme == "unix"
        else Address(host=parts.hostname or "127.0.0.1", port=parts.port or _CLAMD_PORT)
    )
    return Scanner(at, bytes_max=settings.clamd_bytes_max)


async def _urls(settings: Settings, stack: AsyncExitStack) -> Urls:
    if settings.database_url is not None and settings.database_reader_url is not None:
        return Urls(
            settings.database_url.get_secret_value(),
            settings.database_reader_url.get_secret_value(),
        )
    cluster = Cluster(settings.postgres_folder)
    await asyncio.to_thread(cluster.join)
    stack.push_async_callback(asyncio.to_thread, cluster.leave)
    await database.prepare(cluster.url(), _DATABASE)
    admin = cluster.url(_DATABASE)
    await database.migrate(admin)
    if settings.is_demo:
        await database.make_demonstration(admin)
    return Urls(cluster.url(_DATABASE, database.APP), cluster.url(_DATABASE, database.READER))


def sizes(settings: Settings) -> dict[str, int]:
    """How large a file of each media type may be, in bytes."""
    return {kind: min(most, settings.upload_bytes_max) for kind, most in media.SIZE_MAX.items()}


def _spool(settings: Settings) -> Path:
    """Ciphertext is spooled beside the data, not in a memory file system."""
    folder = settings.folder / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _managed(settings: Settings, stack: AsyncExitStack) -> KeyRing | None:
    """The ring of the key-management service, where the settings name a key of one."""
    if settings.kms_key is None:
        return None
    secret, access = settings.kms_secret_key, settings.kms_access_key
    client = boto3.client(
        "kms",
        endpoint_url=settings.kms_endpoint,
        region_name=settings.kms_region,
        aws_access_key_id=access.get_secret_value() if access else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=kms.CONFIG,
    )
    ring = KmsKeyRing(client, settings.kms_key)
    stack.callback(ring.close)
    await ring.open()
    return ring


async def _store(settings: Settings, stack: AsyncExitStack) -> Store:
    if settings.store_folder is not None:
        return DirectoryStore(settings.store_folder)
    bucket = settings.store_bucket
    if bucket is None:
        raise RuntimeError("the settings name neither a folder nor a bucket")
    secret = settings.s3_secret_key
    access = settings.s3_access_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=access.get_secret_value() if access else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=s3.CONFIG,
    )
    store = S3Store(client, bucket)
    stack.callback(store.close)
    require(settings, await store.check(datetime.now(UTC)))
    return store


def require(settings: Settings, missing: Sequence[Protection]) -> None:
    """Say which protections the store lacks; StoreFailed in production, unless it may lack them."""
    for each in missing:
        log.warning("%s lacks %s: %s", settings.store, each.value, each.meaning)
    refused = [each for each in missing if each not in settings.store_without]
    if refused and settings.mode is Mode.PRODUCTION:
        named = "; ".join(f"{each.value} ({each.meaning})" for each in refused)
        raise StoreFailed(
            f"{settings.store} lacks {named}; to start all the same, say"
            f" CONCORD_STORE_WITHOUT={','.join(missing)}"
        )


def warn(settings: Settings) -> None:
    """Say what a production service runs without, though it could have it."""
    if settings.mode is not Mode.PRODUCTION:
        return
    if not settings.witnesses:
        log.warning(
            "no witness is configured: whoever owns the service with its keys can rewrite its log,"
            " or show two people two logs, and nobody finds out (CONCORD_WITNESSES)"
        )
    if not settings.timestamp_urls:
        log.warning(
            "no timestamp authority is configured: nothing outside says when anything was there,"
            " and after a key is stolen nothing can be dated before (CONCORD_TIMESTAMP_URLS)"
        )
