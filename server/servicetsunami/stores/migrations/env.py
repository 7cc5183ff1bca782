"""What Alembic runs: the migrations, in a connection that the caller opened and will commit."""

from alembic import context

from servicetsunami.stores.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
context.run_migrations()
