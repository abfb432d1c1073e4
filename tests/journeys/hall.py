"""The whole site on a real port, over a database of the test's own; who comes in is signed in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvicorn

from evidence.store import Store
from infra import parts, settings, site
from infra.demo.check import Check, Person
from infra.parts import Parts
from infra.rail.server import FakeRail, listen
from infra.site import Site
from odr import audit
from odr.work import Office
from schema import ids
from tests.odr import world
from tests.odr.world import World
from web.setting import DemoPerson

TABLES = """
SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'ledger')
"""
PASSING = {"public.sessions", "public.readings"}
"""What changes by being signed in."""


@dataclass
class Hall:
    """A marketplace with its orders behind a real HTTP server. `rail` is its bank."""

    made: Parts
    site: Site
    people: World
    entrance: Check
    rail: FakeRail
    folder: Path
    admin: asyncpg.Connection

    async def person(self, name: str) -> Person:
        return await self.entrance.person(name)

    async def order(self, **chosen: Any) -> str:
        return ids.write("or", await world.order(self.made.engine, self.people, **chosen))

    async def file(self, **changed: Any) -> dict[str, Any]:
        """A case that the buyer filed over HTTP."""
        buyer = await self.person("buyer")
        filed = claim(await self.order()) | changed
        found: dict[str, Any] = (await buyer.act("acts/file", **filed))["case"]
        return found

    async def counts(self) -> dict[str, int]:
        """How many rows there are, by table; files in the store and on the way."""
        names = {row[0] for row in await self.admin.fetch(TABLES)} - PASSING
        each = (f"SELECT '{name}', count(*) FROM {name}" for name in names)  # noqa: S608 - our own tables
        kept = dict(await self.admin.fetch(" UNION ALL ".join(each)))
        for name in ("store/objects", "spool"):
            kept[name] = sum(each.is_file() for each in (self.folder / name).rglob("*"))
        return kept

    async def audited(self) -> list[str]:
        return (await audit.audit(self.made.office)).findings

    async def work(self) -> None:
        """One turn of all that a worker has to do."""
        await self.site.worker.drain(self.site.worker.duties)


def claim(order: str, amount_minor: Any = 12_900, currency: str = "EUR") -> dict[str, Any]:
    terms = refund(amount_minor, currency)
    return {
        "orderId": order,
        "reason": "DAMAGED_IN_TRANSIT",
        "statement": "It arrived broken.",
        "terms": terms,
    }


def refund(amount_minor: Any, currency: str = "EUR") -> dict[str, Any]:
    item = {"remedy": "PARTIAL_REFUND", "amountMinor": amount_minor}
    return {"currency": currency, "items": [item]}


@asynccontextmanager
async def opened(database: Any, folder: Path, *, store: Store | None = None) -> AsyncIterator[Hall]:
    """A hall over a migrated database; `store` in place of the folder's."""
    with listen() as listening, FakeRail(site.RAIL_SECRET) as rail:
        given = settings.read(
            {
                "CONCORD_FOLDER": str(folder),
                "CONCORD_DATABASE_URL": database.url,
                "CONCORD_DATABASE_READER_URL": database.reader_url,
                "CONCORD_BASE_URL": f"http://127.0.0.1:{listening.getsockname()[1]}",
                "CONCORD_RAIL": "fake",
                "CONCORD_RAIL_URL": rail.url,
            }
        )
        async with AsyncExitStack() as stack:
            made = await stack.enter_async_context(parts.opened(given))
            if store is not None:
                made = _with_store(made, store)
            people = await world.make(made.engine)
            names = ("buyer", "seller", "stranger", "insurer", "operator")
            accounts = {name: getattr(people, name).account_id for name in names}
            demo = [DemoPerson(account, name, name) for name, account in accounts.items()]
            built = await stack.enter_async_context(site.opened(made, demo=demo))
            await stack.enter_async_context(_serving(built, listening))
            admin = await asyncpg.connect(database.admin_url)
            stack.push_async_callback(admin.close)
            entrance = Check(str(given.base_url), accounts, str(made.vault.receipt_key), stack)
            yield Hall(made, built, people, entrance, rail, folder, admin)


def _with_store(made: Parts, store: Store) -> Parts:
    vault = type(made.vault)(
        origin=made.vault.origin,
        store=store,
        keyring=made.keys.keyring,
        receipt_signer=made.keys.receipts,
        spool_folder=made.settings.folder / "spool",
    )
    office: Office = replace(made.office, vault=vault)
    return replace(made, store=store, vault=vault, office=office)


@asynccontextmanager
async def _serving(built: Site, listening: Any) -> AsyncIterator[None]:
    config = uvicorn.Config(built.app, log_level="critical", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def refused(person: Person, act: str, **values: Any) -> dict[str, Any]:
    """The one error of an act that is refused."""
    values.setdefault("idempotencyKey", f"refused-{act}")
    (payload,) = (await person.read(act, input=values)).values()
    (error,) = payload["userErrors"]
    return error


async def put(person: Person, content: bytes, **headers: str) -> httpx.Response:
    """Upload a file, by default a text that is what it says."""
    told = {"content-type": "text/plain", "x-csrf-token": person.csrf, "x-filename": "note.txt"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.client.put("/uploads", content=content, headers=told | named)
