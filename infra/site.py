"""The service as one ASGI application: the API at /graphql, the pages beside it, the worker within.

Everything that it is made of comes from ``infra.parts``; here the API learns who asks (a session's
cookie or an organisation's token) and the pages learn what they are made with.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography import x509
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from evidence.stamping import Authority
from infra import mail, witnesses, worker
from infra.mail import FolderMail
from infra.parts import Parts
from infra.rail.app import SIGNATURE
from infra.settings import Mode, Rail
from infra.witnesses import Outsiders
from infra.worker import Duty, Outside, Worker
from odr import payouts
from odr.errors import Invalid
from odr.notices import Mail
from odr.rails import http as http_rail
from odr.rails.http import HttpRail
from odr.rails.manual import ManualRail
from odr.rails.rail import Rail as PaymentRail
from schema import schema
from schema.context import Context
from schema.http import Endpoint, TurnedAway
from schema.limits import Buckets, LocalBuckets
from schema.reader.connections import Connections
from web import app as pages
from web import reading, session
from web.setting import DemoPerson, Setting
from web.wording import Wording

_RAIL_SECONDS: Final = 5.0
RAIL_SECRET: Final = b"fake-rail"
"""Signs the fake rail's webhooks; there is no such rail in production."""


@dataclass(frozen=True, slots=True)
class Site:
    """The application and its worker."""

    app: Starlette
    worker: Worker


@asynccontextmanager
async def opened(
    parts: Parts, *, demo: Sequence[DemoPerson] | None = None, buckets: Buckets | None = None
) -> AsyncIterator[Site]:
    """Build the site over its parts; its connections and clients are closed in the end.

    ``buckets`` say how much each actor may ask; left out, this process counts by itself.
    """
    async with AsyncExitStack() as stack:
        base = parts.settings.base_url
        connections = Connections(parts.urls.reader, size=parts.settings.database_connections_max)
        stack.push_async_callback(connections.close)
        api = schema.build(connections, moves_time=parts.settings.is_demo)
        endpoint = Endpoint(
            api.reader,
            _asker(parts),
            introspection=lambda _: parts.settings.mode is not Mode.PRODUCTION,
            examples=_examples() if parts.settings.mode is not Mode.PRODUCTION else None,
            buckets=LocalBuckets() if buckets is None else buckets,
            actor=lambda asked: str(asked.actor.account_id),
            reads=lambda asked: asked.actor.may("read"),
        )
        setting = Setting(
            endpoint=endpoint,
            office=parts.office,
            base_url=base,
            secure=base.startswith("https"),
            upload_sizes=parts.vault.size_max,
            demo=demo,
        )
        rail = await _rail(parts, stack)
        more: list[BaseRoute] = [
            Route("/graphql", endpoint),
            Mount("/graphql", endpoint),
            Route("/health", _health(parts)),
        ]
        if parts.settings.rail is Rail.FAKE:  # its secret is public: never beside another rail
            more.append(Route("/rails/fake", _webhook(parts), methods=["POST"]))
        outside = Outside(
            rail=rail,
            mail=_mail(parts),
            translate=lambda language, text: Wording(language, "UTC").gettext(text),
            link=lambda number: f"{base}/cases/{number}" if number else f"{base}/notices",
            sign_in_link=lambda secret: f"{base}/sign-in/{secret}",
            anchors=_anchors(parts),
        )
        duties = [*worker.duties(parts.office, outside), *await _attesting(parts, stack)]
        made = Worker(duties, parts.bell)
        yield Site(pages.build(setting, *more), made)


def _anchors(parts: Parts) -> str:
    """The certificates of who may sign content credentials."""
    path = parts.settings.c2pa_anchors
    return "" if path is None else path.read_text(encoding="ascii")


@asynccontextmanager
async def working(site: Site, redis_url: str | None = None) -> AsyncIterator[None]:
    """Run the worker beside whatever is done meanwhile."""
    task = asyncio.create_task(worker.serve(site.worker, redis_url), name="worker")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _attesting(parts: Parts, stack: AsyncExitStack) -> list[Duty]:
    """What is asked of witnesses and authorities, each by its own duty."""
    client = httpx.AsyncClient(timeout=witnesses.TIMEOUT_SECONDS, trust_env=False)
    await stack.enter_async_context(client)
    settings = parts.settings
    roots: tuple[x509.Certificate, ...] = ()
    if settings.timestamp_roots is not None:
        pem = await asyncio.to_thread(settings.timestamp_roots.read_bytes)
        roots = tuple(x509.load_pem_x509_certificates(pem))
    outsiders = Outsiders(
        witnesses=settings.witnesses,
        authorities=[Authority(url, roots) for url in settings.timestamp_urls],
    )
    return witnesses.duties(parts.office, client, outsiders, worker.report)


async def _rail(parts: Parts, stack: AsyncExitStack) -> PaymentRail:
    """The payment rail that the settings name."""
    settings = parts.settings
    if settings.rail is Rail.FAKE and settings.rail_url is not None:
        client = httpx.AsyncClient(
            base_url=settings.rail_url, timeout=_RAIL_SECONDS, trust_env=False
        )
        await stack.enter_async_context(client)
        return HttpRail(client, settings.rail.value)
    return ManualRail()


def _mail(parts: Parts) -> Mail:
    settings = parts.settings
    if settings.mail_url is not None:
        return mail.from_url(settings.mail_url.get_secret_value(), settings.mail_from)
    folder = settings.mail_folder or settings.folder / "mail"
    return FolderMail(folder, settings.mail_from)


def _asker(parts: Parts) -> Any:
    """Who asks, as ``web.session`` has found by the token or the cookie."""

    async def context(request: Request) -> Context:
        viewer = request.state.viewer
        if viewer is None:
            raise TurnedAway(
                401, "UNAUTHENTICATED", "Sign in, or send a token.", {"www-authenticate": "Bearer"}
            )
        # A token is sent by programs only; a cookie goes wherever a browser is led.
        if not session.by_token(request) and not session.is_own(request):
            raise TurnedAway(403, "ORIGIN", "Another site's page sent this.")
        return Context(parts.office, viewer)

    return context


def _examples() -> dict[str, str]:
    """The pages' own documents, as examples for the explorer."""
    return {
        str(path.relative_to(reading.OPERATIONS).with_suffix("")): path.read_text(encoding="utf-8")
        for path in sorted(Path(reading.OPERATIONS).rglob("*.graphql"))
    }


def _health(parts: Parts) -> Any:
    async def health(_: Request) -> Response:
        async with parts.engine.connect() as conn:
            await conn.exec_driver_sql("SELECT 1")
        return JSONResponse({"status": "ok"})

    return health


def _webhook(parts: Parts) -> Any:
    """What the fake rail tells: checked by its signature, counted once."""

    async def told(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > http_rail.ANSWER_BYTES_MAX:
                return Response(status_code=413)
        signature = request.headers.get(SIGNATURE, "")
        try:
            event = http_rail.read_event(Rail.FAKE.value, RAIL_SECRET, bytes(body), signature)
        except Invalid:
            return Response(status_code=400)
        await payouts.told(parts.office, event)
        return Response(status_code=204)

    return told
