"""Uploads: which files are taken in, told before one is sent."""

from typing import Any

import strawberry

from schema.context import Context
from schema.scalars import Int64


@strawberry.type(description="A media type that is taken in, and its largest file.")
class UploadLimit:
    """A limit of uploads."""

    media_type: str
    largest: Int64 = strawberry.field(description="In bytes.")


def limits(context: Context, _row: Any) -> list[UploadLimit]:
    """List the media types that are taken in."""
    return [
        UploadLimit(media_type=media_type, largest=Int64(size))
        for media_type, size in context.upload_sizes.items()
    ]
