"""The commands that run the service for real: ``serve``, ``migrate``, ``audit``."""

import asyncio
import sys
from collections.abc import Sequence

import uvicorn

from infra import database, parts, site
from infra.settings import Settings
from odr import audit as audits


async def serve(_: Sequence[str], settings: Settings) -> int:
    """Serve pages and API, and work, until told to stop; needs a migrated database."""
    async with parts.opened(settings) as made, site.opened(made) as built:
        redis = settings.redis_url.get_secret_value() if settings.redis_url else None
        config = uvicorn.Config(
            built.app,
            host=settings.host,
            port=settings.port,
            log_level="info",
            access_log=False,
            lifespan="off",
            proxy_headers=True,
        )
        server = uvicorn.Server(config)
        async with site.working(built, redis):
            await server.serve()
    return 0


async def migrate(_: Sequence[str], settings: Settings) -> int:
    """Bring the database to the newest revision."""
    url = settings.database_admin_url
    if url is None:
        sys.stderr.write("CONCORD_DATABASE_ADMIN_URL says as whom to migrate\n")
        return 2
    await database.migrate(url.get_secret_value())
    return 0


async def audit(_: Sequence[str], settings: Settings) -> int:
    """Replay every record and compare; prints each finding, 1 if there is any."""
    async with parts.opened(settings) as made:
        report = await audits.audit(made.office)
    found = list(report.findings)
    await asyncio.to_thread(_print, found)
    return 1 if found else 0


def _print(found: Sequence[object]) -> None:
    for each in found:
        sys.stdout.write(f"{each}\n")
    sys.stdout.write(f"{len(found)} findings\n")
