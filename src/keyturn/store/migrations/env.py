"""Where Alembic enters: runs the revisions on the connection, and in the transaction, it was given."""

from __future__ import annotations

from alembic import context

from keyturn.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
