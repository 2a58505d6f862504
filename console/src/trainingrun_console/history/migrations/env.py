"""How alembic runs the versions: on the connection that `migrating` opened, locked and will commit."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
