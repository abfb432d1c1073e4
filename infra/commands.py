"""The commands that run the service for real: ``serve``, ``migrate``, ``audit``."""

import asyncio
import sys
from collections.abc import Sequence

import uvicorn

from infra import database, parts, site
from infra.settings import Settings
from odr import audit as audits
from odr.audit import Report


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
    await asyncio.to_thread(_print, report)
    return 0 if report.ok else 1


def _print(report: Report) -> None:
    for each in report.findings:
        sys.stdout.write(f"{each}\n")
    for each in report.unchecked:
        sys.stdout.write(f"not checked: {each}\n")
    sys.stdout.write(f"{report.cases} cases, {len(report.findings)} findings\n")
