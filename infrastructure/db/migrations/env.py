"""Runs the migrations on the connection that `infrastructure.db.migrate` holds the lock with."""

from alembic import context

from infrastructure.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
