"""Alembic's entry: runs the revisions over the connection that the state hands in."""

from alembic import context

from redcap_jobs.state.migrate import VERSION_TABLE
from redcap_jobs.state.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
