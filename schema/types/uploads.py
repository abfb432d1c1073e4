"""Uploads: which files are taken in, told before one is sent."""

from typing import Any

import strawberry

from odr import uploads
from schema.context import Context
from schema.scalars import Int64


@strawberry.type(description="A media type that is taken in, and its largest file.")
class MediaTypeLimit:
    """A limit of one media type."""

    media_type: str
    largest: Int64 = strawberry.field(description="In bytes.")


@strawberry.type(description="Which files are taken in; told before one is sent.")
class UploadLimits:
    """The limits of uploads."""

    media_types: list[MediaTypeLimit]
    unused_max: int = strawberry.field(description="How many may wait to become exhibits.")
    unused_days: int = strawberry.field(description="For so long one is kept.")
    partial_max: int = strawberry.field(
        description="How many of these may come in instalments at once (tus 1.0.0, /uploads/tus)."
    )
    partial_hours: int = strawberry.field(description="In so many hours one is to be whole.")
    filename_max: int = strawberry.field(description="In characters.")


def limits(context: Context, _row: Any) -> UploadLimits:
    """Tell what can be known before anything is sent."""
    found = uploads.limits(context.office.vault)
    return UploadLimits(
        media_types=[
            MediaTypeLimit(media_type=media_type, largest=Int64(size))
            for media_type, size in found.bytes_max.items()
        ],
        unused_max=found.unused_max,
        unused_days=found.unused_days,
        partial_max=found.partial_max,
        partial_hours=found.partial_hours,
        filename_max=found.filename_max,
    )
