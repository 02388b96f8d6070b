"""Alembic runs this for each command; catalog.session.migrate hands it the connection, in a transaction of its own."""

from alembic import context

from catalog.models import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
