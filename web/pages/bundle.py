"""The case's record as a bundle, as far as its asker may see it, to be verified offline."""

import shutil
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from odr import numbers
from odr.errors import Invalid, NotFound
from web import archive, session
from web.setting import Setting

_TYPE: Final = "application/zip"


async def download(request: Request) -> Response:
    """Write the bundle to a file of its own and send it."""
    try:
        number = numbers.parse_case(request.path_params["number"])
    except Invalid as error:
        raise NotFound from error
    setting: Setting = request.app.state.setting
    viewer = session.viewer_of(request)
    made = await archive.export(setting, viewer, request.state.wording, number)
    return FileResponse(
        made,
        media_type=_TYPE,
        filename=f"concord-{number}.zip",
        background=BackgroundTask(shutil.rmtree, made.parent, ignore_errors=True),
    )
