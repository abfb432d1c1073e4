"""Runs a script of several SQL statements inside a migration's transaction."""

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only


def run(script: Path) -> None:
    """Run the script on the migration's own connection; its errors name the line."""
    connection = op.get_bind()
    # The adapter opens the transaction with its first statement, and asyncpg takes several
    # statements at once only by the simple protocol, which the adapter does not speak.
    connection.exec_driver_sql("SELECT 1")
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the migration has lost its connection")
    await_only(driver.execute(script.read_text(encoding="utf-8")))
