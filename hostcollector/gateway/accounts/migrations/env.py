"""Alembic's entry: runs the steps on the connection that `Schema.upgrade` hands over."""

from alembic import context

from hostcollector.gateway.accounts.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
