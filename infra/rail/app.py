"""The fake rail's HTTP face, and how it lies.

``POST /payments`` and ``GET /payments`` are the protocol of ``odr.rails.http``; what is below
``/control`` tells it how to behave and shows its books. Only for loopback: there is no sign-in.

How the next payments go (script ``pay``; one word for each request):

========================  ======================================================================
``ok``                    accepted, then paid
``reject``                answered with a rejection
``reject_later``          accepted, then rejected
``reject_then_pay``       answered with a rejection, and paid all the same
``return``                accepted, paid, and returned a week later
``cut_before/_after``     the connection is cut before or after the payment is executed
``hang_before/_after``    no answer ever comes
``fail_before/_after``    status 500
``nonsense``              executed, and answered with something that is no answer
``other``                 executed, and answered with somebody else's payment
``flood``                 executed, and answered with far too much
``late``                  no answer; executed only an hour later
``forget``                executed, no answer, and the key forgotten, as after a day
``short``                 accepted and paid, but less than was asked for
========================  ======================================================================

Looking up (``find``): ``ok``, ``cut``, ``hang``, ``fail``, ``nonsense``. Webhooks (``webhooks``,
holds until changed): ``once``, ``twice``, ``never``, ``late`` (a paid one after it was returned).
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from hmac import digest
from typing import Any, Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from infra.rail.books import HIDDEN, RETURNED_AFTER_SECONDS, Books, KeyTaken, Order

SIGNATURE: Final = "Rail-Signature"
LATE_SECONDS: Final = 3600.0
TELLING_TRIES_MAX: Final = 5
FLOOD_BYTES: Final = 1_000_000
_ROUND_SECONDS: Final = 0.02
_AGAIN_SECONDS: Final = 0.2
_HOSTILE: Final = (
    ("ok", 8),
    ("reject_later", 1),
    ("cut_before", 2),
    ("cut_after", 2),
    ("fail_after", 2),
    ("nonsense", 1),
    ("forget", 1),
)


class Fake:
    """The rail: its books, its secret, whom it tells, and its mood."""

    def __init__(
        self, books: Books, secret: bytes, *, hook: str | None = None, seed: int | None = None
    ) -> None:
        self.books = books
        self.secret = secret
        self.hook = hook
        self.mood = None if seed is None else random.Random(seed)  # noqa: S311 - for demonstrations, not a secret

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/payments", self.pay, methods=["POST"]),
            Route("/payments", self.find, methods=["GET"]),
            Route("/control/script", self.script, methods=["POST"]),
            Route("/control/advance", self.advance, methods=["POST"]),
            Route("/control/hook", self.set_hook, methods=["POST"]),
            Route("/control/books", self.show, methods=["GET"]),
            Route("/control/tellings", self.tellings, methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._telling)

    # The protocol.

    async def pay(self, request: Request) -> Response:
        """Take a payment order, and do with it what the script says."""
        key = request.headers.get("Idempotency-Key", "")
        order = _order(await request.body())
        if order is None or not key:
            return JSONResponse({"error": "malformed"}, 400)
        self.books.ripen()
        how = self.books.next("pay", order.reference) or self._mood()
        lost = await self._lost(how, "before")
        if lost is not None:
            return lost
        try:
            payment = self.books.known(key, order) or self._execute(key, order, how)
        except KeyTaken:
            return JSONResponse({"error": "key_taken"}, 409)
        self.books.ripen()
        if how == "forget":
            self.books.forget(key)
        if how in {"late", "forget"}:
            return Cut()
        if how == "other":
            payment |= {"reference": "another", "state": "paid"}
        if how == "flood":
            payment["reason"] = "x" * FLOOD_BYTES
        if how == "fail_after":
            return JSONResponse(payment, 500)
        lost = await self._lost(how, "after")
        return lost or JSONResponse(payment)

    def _execute(self, key: str, order: Order, how: str) -> dict[str, Any]:
        books = self.books
        if how in {"reject", "reject_then_pay"}:
            number = books.open(key, order, "rejected", "account_closed")
            if how == "reject_then_pay":
                books.plan(number, "paid")
        elif how == "late":
            number = books.open(key, order, HIDDEN)
            books.plan(number, "accepted", LATE_SECONDS)
            books.plan(number, "paid", LATE_SECONDS + 1)
        else:
            if how == "short":
                order = replace(order, amount_minor=max(1, order.amount_minor - 100))
            number = books.open(key, order, "accepted")
            books.plan(
                number,
                "rejected" if how == "reject_later" else "paid",
                reason="account_closed" if how == "reject_later" else "",
            )
            if how == "return":
                books.plan(number, "returned", RETURNED_AFTER_SECONDS, "account_closed")
        return books.payment(number)

    async def find(self, request: Request) -> Response:
        """Look payments up by reference."""
        reference = request.query_params.get("reference", "")
        how = self.books.next("find", reference)
        lost = await self._lost(f"{how}_before" if how != "nonsense" else how, "before")
        if lost is None and how == "nonsense":
            lost = Nonsense()
        self.books.ripen()
        return lost or JSONResponse({"payments": self.books.find(reference)})

    async def _lost(self, how: str, when: str) -> Response | None:
        """The answer that is none, if the script wants one at this moment."""
        if how == f"hang_{when}":
            await asyncio.sleep(3600)
        if how == f"fail_{when}":
            return JSONResponse({"error": "internal"}, 500)
        if how == "nonsense" and when == "after":
            return Nonsense()
        return Cut() if how == f"cut_{when}" else None

    def _mood(self) -> str:
        if self.mood is None:
            return "ok"
        return self.mood.choices([how for how, _ in _HOSTILE], [odds for _, odds in _HOSTILE])[0]

    # Control.

    async def script(self, request: Request) -> Response:
        """Say how the next requests go."""
        given = await request.json()
        self.books.script(given["what"], given["how"], given.get("reference", "*"))
        return JSONResponse({})

    async def advance(self, request: Request) -> Response:
        """Move the rail's time."""
        self.books.advance(float((await request.json())["seconds"]))
        return JSONResponse({"now": self.books.now()})

    async def set_hook(self, request: Request) -> Response:
        """Say who is told; null for nobody: then ``/control/tellings`` gives the webhooks."""
        self.hook = (await request.json())["url"]
        return JSONResponse({})

    async def show(self, _: Request) -> Response:
        """Show every payment."""
        self.books.ripen()
        return JSONResponse({"payments": self.books.all()})

    async def tellings(self, _: Request) -> Response:
        """Give the webhooks that are due, each once, instead of sending them."""
        self.books.ripen()
        given = []
        for telling in self.books.due():
            self.books.delivered(telling.number)
            given.append({"body": telling.body, "signature": self.sign(telling.body.encode())})
        return JSONResponse({"tellings": given})

    # Webhooks.

    def sign(self, body: bytes) -> str:
        """The signature of a webhook."""
        return digest(self.secret, body, sha256).hex()

    @asynccontextmanager
    async def _telling(self, _: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(httpx.AsyncClient(timeout=5, trust_env=False))
            task = asyncio.create_task(self._tell_for_ever(client))
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _tell_for_ever(self, client: httpx.AsyncClient) -> None:
        while True:
            self.books.ripen()
            if self.hook is not None:
                for telling in self.books.due():
                    taken = await self._told(client, self.hook, telling.body)
                    if taken or telling.tries + 1 >= TELLING_TRIES_MAX:
                        self.books.delivered(telling.number)
                    else:
                        self.books.put_off(telling.number, _AGAIN_SECONDS)
            await asyncio.sleep(_ROUND_SECONDS)

    async def _told(self, client: httpx.AsyncClient, hook: str, body: str) -> bool:
        headers = {SIGNATURE: self.sign(body.encode()), "Content-Type": "application/json"}
        try:
            answer = await client.post(hook, content=body.encode(), headers=headers)
        except httpx.HTTPError:
            return False
        return answer.is_success


class Cut(Response):
    """Begins to answer and cuts the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise more bytes than are sent: the server closes the connection."""
        del scope, receive
        headers = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id": "rp', "more_body": True})


class Nonsense(JSONResponse):
    """Answers about something else."""

    def __init__(self) -> None:
        super().__init__({"id": "rp_0", "reference": "another", "state": "done", "payments": 1})


def _order(body: bytes) -> Order | None:
    try:
        given = json.loads(body)
        order = Order(
            given["reference"],
            given["payee"],
            given["purpose"],
            given["amount_minor"],
            given["currency"],
        )
    except (ValueError, KeyError, TypeError):
        return None
    return order if type(order.amount_minor) is int and order.amount_minor > 0 else None
