"""The commands that run the service for real: ``serve``, ``migrate``, ``audit``, ``export``."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from infra import database, parts, site
from infra.settings import Settings
from odr import audit as audits
from odr import numbers
from odr.audit import Report
from odr.errors import Refused
from odr.policy import SERVICE
from web import archive
from web.wording import LANGUAGES, Wording


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
            forwarded_allow_ips=list(settings.trusted_proxies),
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


async def export(given: Sequence[str], settings: Settings) -> int:
    """Write a case's record, as the operator may see it, to a file; 1 if there is no such case."""
    parser = argparse.ArgumentParser(prog="python -m infra export")
    parser.add_argument("case", help="the case's number")
    parser.add_argument("--to", type=Path, metavar="FILE", help="concord-CASE.zip, if not given")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="of the paper")
    chosen = parser.parse_args(given)
    async with parts.opened(settings) as made, site.opened(made) as built:
        try:
            number = numbers.parse_case(chosen.case)
            wording = Wording(chosen.language, "UTC")
            written = await archive.export(built.app.state.setting, SERVICE, wording, number)
        except Refused as refused:
            sys.stderr.write(f"{chosen.case}: {refused!r}\n")
            return 1
        to = chosen.to or Path(f"concord-{number}.zip")
        await asyncio.to_thread(_move, written, to)
    sys.stdout.write(f"{to}\n")
    return 0


def _move(written: Path, to: Path) -> None:
    shutil.move(written, to)
    written.parent.rmdir()


def _print(report: Report) -> None:
    for each in report.findings:
        sys.stdout.write(f"{each}\n")
    for each in report.unchecked:
        sys.stdout.write(f"not checked: {each}\n")
    sys.stdout.write(f"{report.cases} cases, {len(report.findings)} findings\n")
