"""What alembic runs: the revisions, on the connection that `infra.database.migrate` opened."""

from alembic import context

from odr.models.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata(),
)
with context.begin_transaction():
    context.run_migrations()
