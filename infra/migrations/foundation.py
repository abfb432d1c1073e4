"""Revision 0001, rendered: all tables from the models, and the SQL that stands beside them.

Until the first release the revision is written anew from here (`make migration`), so that it
never drifts from the models; a test compares. From the release on it is frozen, and a change is
a revision of its own. What is written is SQL and nothing else: what will run can be read.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, create_mock_engine

from odr.models.metadata import metadata

TOP = Path(__file__).resolve().parents[2]
REVISION = Path(__file__).parent / "versions" / "0001_foundation.sql"

# Run after the tables, in this order; each belongs to its package and says what it does.
SCRIPTS = ("odr/ids.sql", "evidence/models.sql", "odr/ledger.sql", "odr/policy.sql")

HEAD = """\
-- Rendered by `make migration`; edit the models and the SQL beside them, not this file.

-- A function is for whom it is granted to.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
"""


def render() -> str:
    """Return the whole schema as one SQL script, to be run by concord_owner."""
    clock = (Path(__file__).parent / "clock.sql").read_text(encoding="utf-8")
    parts = [HEAD, clock, *_tables(metadata()), _grants(metadata())]
    parts += (f"-- {name}\n\n" + (TOP / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return "\n".join(part.strip() + "\n" for part in parts if part)


def _tables(tables: MetaData) -> Iterator[str]:
    statements: list[str] = []

    def note(statement: Any, *_: Any, **__: Any) -> None:
        text = str(statement.compile(dialect=engine.dialect)).strip()
        lines = (line.rstrip().replace("\t", "    ") for line in text.splitlines())
        statements.append("\n".join(lines) + ";")

    engine = create_mock_engine("postgresql+asyncpg://", note)
    tables.create_all(engine, checkfirst=False)
    # A table's indexes come in no order; a rendering has one.
    for are_indexes, group in groupby(statements, lambda made: " INDEX " in made.split("(")[0]):
        together = list(group)
        yield from sorted(together) if are_indexes else together


def _grants(tables: MetaData) -> str:
    # The vault's script grants by column. Nothing may be deleted unless a script says so.
    names = sorted(name for name in tables.tables if not name.startswith("vault_"))
    return "\n".join(f"GRANT SELECT, INSERT, UPDATE ON {name} TO concord_app;" for name in names)


if __name__ == "__main__":
    REVISION.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{REVISION.relative_to(TOP)} written\n")
