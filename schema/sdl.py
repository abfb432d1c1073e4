"""The schema as a file, checked in: ``python -m schema.sdl`` writes it.

The file is public, for those who generate clients of it; a test says that it is current.
"""

from pathlib import Path
from typing import Final

from schema import schema

FILE: Final = Path(__file__).parent / "schema.graphql"
_NOTE: Final = "# Written by `python -m schema.sdl`; never by hand.\n\n"


def text() -> str:
    """Give the schema in GraphQL's schema definition language."""
    return f"{_NOTE}{schema.compose().as_str().rstrip()}\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
