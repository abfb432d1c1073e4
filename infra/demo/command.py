"""``python -m infra demo``: the whole service on embedded parts, with a world to look at.

``--check`` runs the main job over HTTP to its end instead of staying up.
"""

import argparse
import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from infra import parts, site
from infra.demo import cast, check, scenes, seed
from infra.parts import Parts
from infra.postgres import Cluster
from infra.rail.server import FakeRail
from infra.settings import Rail, Settings
from infra.site import Site
from web.setting import DemoPerson

_START_SECONDS: Final = 30


async def run(arguments: Sequence[str], settings: Settings) -> int:
    """Set the demonstration up and serve it until interrupted, or check the main job."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="run the main job to its end")
    parser.add_argument("--fresh", action="store_true", help="forget what was there")
    parser.add_argument("--bare", action="store_true", help="no cases, only people and orders")
    given = parser.parse_args(arguments)
    folder = settings.folder / ("check" if given.check else "demo")
    if given.fresh or given.check:
        await asyncio.to_thread(_forget, folder)
    bare = given.check or given.bare
    async with served(
        settings, folder, port=0 if given.check else settings.port, staged=not bare
    ) as (made, url):
        if given.check:
            return await check.run(url, made)
        sys.stdout.write(
            f"\n  Concord is up: {url}\n  Sign in as anybody: {url}/demo\n"
            f"  GraphQL, with examples: {url}/graphql\n  Stop with Ctrl-C.\n\n"
        )
        sys.stdout.flush()
        await asyncio.Event().wait()
    return 0


def _forget(folder: Path) -> None:
    """Remove what was there; a server that still runs on it is stopped first."""
    Cluster(folder / "postgres").stop()
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def served(
    settings: Settings, folder: Path, *, port: int, staged: bool = True
) -> AsyncIterator[tuple[Parts, str]]:
    """The demonstration, served on loopback with its world and its worker; and its address.

    ``staged`` plays the scenes that leave a case in every stage.
    """
    with socket.create_server(("127.0.0.1", port)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        with _rail(settings, folder, hook=f"{url}/rails/fake") as rail_url:
            demo = settings.model_copy(
                update={
                    "folder": folder,
                    "base_url": url,
                    "rail": Rail.FAKE,
                    "rail_url": rail_url,
                }
            )
            async with parts.opened(demo) as made:
                people = await _world(made, staged=staged)
                async with (
                    site.opened(made, demo=people) as built,
                    site.working(built),
                    _serving(built, listening),
                ):
                    yield made, url


@contextmanager
def _rail(settings: Settings, folder: Path, *, hook: str) -> Iterator[str]:
    """The address of the fake rail: of the one that the settings name, or of one of our own."""
    if settings.rail_url is not None:
        yield str(settings.rail_url)
        return
    with FakeRail(
        site.RAIL_SECRET, state=folder / "rail.sqlite", hook=hook, settle_seconds=0.5
    ) as rail:
        yield rail.url


@asynccontextmanager
async def _serving(built: Site, listening: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(built.app, log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the caller's loop has them
    task = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(_START_SECONDS):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def _world(made: Parts, *, staged: bool) -> list[DemoPerson]:
    """The people as whom one can sign in; the world is made the first time."""
    if not await seed.is_seeded(made.office):
        sys.stdout.write("making the demonstration's world\n")
        sys.stdout.flush()
        world = await seed.seed(made.office)
        if not staged:
            return await cast.people(made.office)
        async with site.opened(made) as built:
            duties = built.worker.duties

            async def catch_up() -> None:
                await built.worker.drain(duties)

            await scenes.play(scenes.Stage(made.office, world, catch_up))
    return await cast.people(made.office)
