"""Add-on installations, tasks, traces, and shares of a backend between processes.

Only adds, and what it adds may be empty: a process of the version before goes on working on these tables.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and columns."""
    _businesses()
    op.add_column("deliveries", _text("addon_id"))
    op.create_index("ix_deliveries_addon_id", "deliveries", ["addon_id"])
    op.add_column("work", _text("trace"))
    op.add_column("tokens", _text("secret_hash"))
    op.add_column("lanes", _number("asked_until"))
    for column in (
        _text("details"),
        _text("target_kind"),
        _text("target_id"),
        _number("telling_at"),
        _number("told_at"),
    ):
        op.add_column("problems", column)
    _installations()
    op.create_table(
        "shares",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name="pk_shares"),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=True)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=True)


def _businesses() -> None:
    """SQLite adds a constraint by making the table anew, which `batch_alter_table` does; PostgreSQL just adds it."""
    with op.batch_alter_table("businesses") as table:
        table.add_column(_text("api_url"))
        table.add_column(sa.Column("named", sa.Boolean(), nullable=True))
        table.create_unique_constraint("uq_businesses_api_url", ["api_url"])


def _installations() -> None:
    op.create_table(
        "installations",
        sa.Column("addon_id", sa.Text(), nullable=False),
        _text("business"),
        _text("api_url"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        _text("refused_url"),
        _number("refused_at"),
        _number("unseen_since"),
        sa.PrimaryKeyConstraint("addon_id", name="pk_installations"),
    )
    op.create_index("ix_installations_business", "installations", ["business"])
