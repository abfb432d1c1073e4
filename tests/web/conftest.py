"""One site for the tests of the pages: real parts over the tests' PostgreSQL, on loopback.

It runs in a thread of its own with its worker and a rail that pays at once. Tests look at it as a
browser does; ``site.person("buyer")`` is somebody signed in. Orders are made as a test needs them.
"""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import sync_playwright
from sqlalchemy import text

from infra import database, parts
from infra import site as sites
from infra.demo import command
from infra.rail.server import FakeRail
from infra.settings import Rail, Settings
from odr import signin
from odr.policy import SERVICE, Viewer
from schema import ids
from tests.odr import world
from tests.servers.background import Background
from web.setting import DemoPerson

CSRF = re.compile(r'name="csrf" value="([^"]+)"')
KEY = re.compile(r'name="key" value="([^"]+)"')
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63"
    "386123070002f201234cea33b50000000049454e44ae426082"
)
BROWSER = {"accept": "text/html,*/*"}
CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")


@dataclass
class Browser:
    """Somebody's browser, without a screen: keeps cookies, sends a form with its token."""

    client: httpx.Client

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.client.get(path, **given)

    def token(self, path: str = "/how") -> str:
        return CSRF.search(self.get(path).text)[1]

    def post(self, path: str, *, form: Any = None, files: Any = None, page: str = "/how") -> Any:
        """Send a form with the token of ``page``."""
        data = {"csrf": self.token(page)} | (form or {})
        return self.client.post(path, data=data, files=files)


@dataclass
class Site:
    """The site that is up, and who there is."""

    background: Background
    parts: Any
    app: Any
    url: str
    people: world.World
    named: dict[str, Viewer] = field(default_factory=dict)

    def run(self, coroutine: Any) -> Any:
        return self.background.run(coroutine).result(60)

    @contextmanager
    def browser(self, who: str | Viewer | None = None, **given: Any) -> Iterator[Browser]:
        """A browser without a screen: a stranger's, or of somebody who is signed in."""
        with httpx.Client(
            base_url=self.url, headers=BROWSER, trust_env=False, timeout=30, **given
        ) as client:
            if who is not None:
                viewer = self.viewer(who) if isinstance(who, str) else who
                client.cookies.set("concord_session", self.cookie(viewer))
            yield Browser(client)

    def order(self, **chosen: Any) -> str:
        """The global id of a new order."""
        return ids.write("or", self.run(world.order(self.parts.engine, self.people, **chosen)))

    def case(self, **chosen: Any) -> str:
        """The number of a new case, filed by the buyer."""

        async def file() -> str:
            order = await world.order(self.parts.engine, self.people)
            case_id = await world.file(self.parts.office, self.people, order, **chosen)
            return await self._number(case_id)

        return self.run(file())

    async def _number(self, case_id: UUID) -> str:
        async with self.parts.engine.connect() as conn:
            asked = text("SELECT number FROM cases WHERE id = :id")
            return (await conn.execute(asked, {"id": case_id})).scalar_one()

    def row(self, number: str) -> Any:
        return self.value("SELECT * FROM cases WHERE number = :number", number=number)

    def value(self, sql: str, **given: Any) -> Any:
        """The first row that a statement finds."""

        async def ask() -> Any:
            async with self.parts.engine.connect() as conn:
                return (await conn.execute(text(sql), given)).first()

        return self.run(ask())

    def neutral(self, number: str, role: str) -> Viewer:
        """Who sits in a case; waits until the worker has appointed them."""

        async def wait() -> UUID:
            asked = (
                "SELECT s.account_id FROM seats s JOIN cases c ON c.id = s.case_id "
                "WHERE c.number = :number AND s.role = :role AND s.until IS NULL"
            )
            async with asyncio.timeout(20):
                while True:
                    async with self.parts.engine.connect() as conn:
                        given = {"number": number, "role": role}
                        found = (await conn.execute(text(asked), given)).scalar()
                    if found:
                        return found
                    await asyncio.sleep(0.02)

        return Viewer(self.run(wait()))

    def let_pass(self, days: float) -> None:
        """Let days pass; the worker is woken."""

        async def move() -> None:
            async with self.parts.engine.begin() as conn:
                by = {"by": timedelta(days=days)}
                await conn.execute(text("SELECT advance_service_clock(:by)"), by)
            self.parts.bell.set()

        self.run(move())

    def link(self, viewer: Viewer) -> str:
        """The secret of a fresh link to sign in."""

        async def make() -> str:
            async with self.parts.office.work(SERVICE, SERVICE.account_id) as work:
                return await signin.demo_link(work.conn, viewer.account_id, work.at, demo=True)

        return self.run(make())

    def viewer(self, who: str) -> Viewer:
        return getattr(self.people, who)

    def cookie(self, viewer: Viewer) -> str:
        """The cookie of a fresh session."""

        async def make() -> str:
            async with self.parts.office.work(SERVICE, SERVICE.account_id) as work:
                secret = await signin.demo_link(work.conn, viewer.account_id, work.at, demo=True)
                return (await signin.redeem(work.conn, secret, work.at)).cookie

        return self.run(make())


@asynccontextmanager
async def _served(database_: Any, folder: Any) -> Any:
    """The site on a free port, with its worker and its rail."""
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        rail = FakeRail(sites.RAIL_SECRET, hook=f"{url}/rails/fake", state=folder / "rail.sqlite")
        stack.enter_context(rail)
        await database.make_demonstration(database_.admin_url)
        settings = Settings(
            folder=folder,
            base_url=url,
            database_url=database_.url,
            database_reader_url=database_.reader_url,
            rail=Rail.FAKE,
            rail_url=rail.url,
        )
        made = await stack.enter_async_context(parts.opened(settings))
        people = await world.make(made.engine, fund_minor=10_000_000, bond_minor=1_000_000)
        shown = [
            DemoPerson(viewer.account_id, name.title(), name.title())
            for name in ("buyer", "seller", "insurer")
            for viewer in (getattr(people, name),)
        ]
        built = await stack.enter_async_context(sites.opened(made, demo=shown))
        await stack.enter_async_context(sites.working(built))
        await stack.enter_async_context(command._serving(built, listening))
        yield made, built.app, url, people


@pytest.fixture(scope="session")
def site(databases, in_memory):
    background = Background("site")
    taken = databases.take()
    folder = in_memory / "site"
    folder.mkdir()
    opened = _served(taken, folder)
    made, app, url, people = background.run(opened.__aenter__()).result(60)
    try:
        yield Site(background, made, app, url, people)
    finally:
        background.run(opened.__aexit__(None, None, None)).result(60)
        background.close()
        databases.give_back(taken)


@pytest.fixture
def open_browser(site):
    """A function that opens a browser: for a stranger, or for somebody who is signed in."""
    with ExitStack() as stack:
        yield lambda who=None, **given: stack.enter_context(site.browser(who, **given))


@pytest.fixture(scope="session")
def chromium():
    """A browser with a screen; tests that ask for it are marked ``browser``."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def stranger(open_browser):
    return open_browser()


@pytest.fixture
def buyer(open_browser):
    return open_browser("buyer")


@pytest.fixture
def seller(open_browser):
    return open_browser("seller")
