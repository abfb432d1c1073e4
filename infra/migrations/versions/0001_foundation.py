"""The whole schema of the first release, as `infra.migrations.foundation` rendered it."""

from pathlib import Path

from infra.migrations import sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make everything; runs as concord_owner in a database that it owns."""
    sql.run(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    """Refuse: what the record holds is not to be dropped by a command."""
    raise RuntimeError("there is nothing below the first revision; restore a backup instead")
