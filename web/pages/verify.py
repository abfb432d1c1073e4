"""Verifying for anybody: a record or a receipt is checked in the visitor's own browser."""

from starlette.requests import Request
from starlette.responses import Response

from web import archive
from web.templating import page


async def show(request: Request) -> Response:
    """The form; the file that is chosen in it never leaves the browser."""
    proof = await archive.proof_of(request.app.state.setting)
    return page(request, "verify.html", keys=[proof.receipt_key, *proof.log_keys])
