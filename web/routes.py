"""All URLs of the pages, on one screen."""

from pathlib import Path

from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from web import tus, uploads
from web.pages import (
    about,
    bundle,
    case,
    claim,
    entry,
    exhibit,
    home,
    insurance,
    keeping,
    log,
    signin,
    verify,
)

_STATIC = Path(__file__).parent / "static"

ROUTES: list[BaseRoute] = [
    Route("/", home.show),
    Route("/how", about.how),
    Route("/verify", verify.show),
    Route("/sign-in", signin.ask, methods=["GET", "POST"]),
    Route("/sign-in/{secret}", signin.link, methods=["GET", "POST"]),
    Route("/sign-out", signin.out, methods=["POST"]),
    Route("/appearance", signin.appearance, methods=["POST"]),
    Route("/demo", signin.demo, methods=["GET", "POST"]),
    Route("/demo/time", signin.move_time, methods=["POST"]),
    Route("/notices", about.notices),
    Route("/profile", about.profile),
    Route("/profile", about.set_preferences, methods=["POST"]),
    Route("/claims/new", claim.begin),
    Route("/claims/new", claim.go_on, methods=["POST"]),
    Route("/cases/{number}", case.show),
    Route("/cases/{number}/acts/{act}", case.act, methods=["POST"]),
    Route("/cases/{number}/bundle", bundle.download),
    Route("/exhibits/{id}", exhibit.show),
    Route("/exhibits/{id}/file", exhibit.file),
    Route("/record/{id}", entry.show),
    Route("/record/{id}/{name}", entry.part),
    Route("/settled", insurance.settled),
    Route("/insurance/{number}", insurance.show),
    Route("/insurance/{number}", insurance.decide, methods=["POST"]),
    Route("/keeping", keeping.show),
    Route("/keeping", keeping.decide, methods=["POST"]),
    Route("/log/", log.listing),
    Route("/log/{origin:path}/checkpoint", log.checkpoint),
    Route("/log/{origin:path}/tile/{path:path}", log.file),
    Route("/uploads", uploads.put, methods=["PUT"]),
    Route("/uploads/limits", uploads.limits),
    Route("/uploads/tus", tus.collection, methods=["POST", "OPTIONS"]),
    Route("/uploads/tus/{id}", tus.one, methods=tus.METHODS),
    Mount("/static", StaticFiles(directory=_STATIC)),
]
