"""Until when a call that was never answered may still undo what is recorded of a membership or a code.

Only adds, and what it adds may be empty: a process of the version before goes on working on these tables.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add one column to each."""
    for table in ("memberships", "codes"):
        op.add_column(table, sa.Column("unsure_until", sa.BigInteger(), nullable=True))
