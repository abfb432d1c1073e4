"""The site: pages over the endpoint that is handed in, as one ASGI application."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from odr.errors import Refused
from web import refusals
from web.headers import Headers
from web.reading import Busy
from web.routes import ROUTES
from web.session import Forged, Sessions, TooLarge
from web.setting import Setting


def build(setting: Setting, *more: BaseRoute) -> Starlette:
    """The pages, with ``more`` routes (the API's) beside them."""
    app = Starlette(
        routes=[*more, *ROUTES],
        middleware=[
            Middleware(Headers, secure=setting.secure),
            Middleware(Sessions, setting=setting, refused=refusals.refused),
        ],
        exception_handlers={
            Refused: refusals.refused,
            Forged: refusals.forged,
            TooLarge: refusals.too_large,
            Busy: refusals.busy,
            HTTPException: refusals.missing,
            404: refusals.missing,
            405: refusals.missing,
            Exception: refusals.broken,
        },
    )
    app.state.setting = setting
    return app
