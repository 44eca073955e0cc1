"""What Alembic runs: the migrations, on the connection that `upgrade` was given."""

from alembic import context

from service.audit.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,  # SQLite's too, as the transaction is begun by us
)
with context.begin_transaction():
    context.run_migrations()
