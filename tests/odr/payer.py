"""A process that takes one payout as far as it goes, and kills itself at a named boundary."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import UUID

import httpx

from infra import database
from odr import payouts
from odr.rails.http import HttpRail
from tests.odr import payday, world


def die_at(boundary: str) -> payouts.At:
    def at(name: str) -> None:
        if name == boundary:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


async def main(url: str, rail_url: str, payout: str, boundary: str, folder: str) -> None:
    engine = database.create_engine(url)
    async with httpx.AsyncClient(base_url=rail_url, trust_env=False) as client:
        desk = world.office(engine, Path(folder), rail=payday.NAME)
        rail, at = HttpRail(client, payday.NAME), die_at(boundary)
        while await payouts.step(desk, rail, UUID(payout), at):
            pass
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
