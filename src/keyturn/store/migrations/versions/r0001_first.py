"""The first tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _intake()
    _work()
    _memory()
    _tenants()
    _units()
    _problems()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _intake() -> None:
    op.create_table(
        "businesses",
        _text("code"),
        _number("memory_since"),
        _number("swept_until", nullable=True),
        _number("units_read_at", nullable=True),
        sa.PrimaryKeyConstraint("code", name="pk_businesses"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        _text("business"),
        _text("key"),
        _text("event_id", nullable=True),
        _text("type"),
        _number("received_at"),
        _number("last_at"),
        _number("repeats"),
        _text("state"),
        _text("document"),
        sa.UniqueConstraint("business", "key", name="uq_deliveries_business_key"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_last_at", "deliveries", ["last_at"])
    op.create_table(
        "delivery_subjects",
        sa.Column(
            "delivery_id",
            _NUMBER,
            sa.ForeignKey("deliveries.id", name="fk_delivery_subjects_delivery_id", ondelete="CASCADE"),
            nullable=False,
        ),
        _text("kind"),
        _text("subject_id"),
        _text("business"),
        _number("wanted"),
        sa.PrimaryKeyConstraint("delivery_id", "kind", "subject_id", name="pk_delivery_subjects"),
    )
    op.create_index(
        "ix_delivery_subjects_business_kind_subject_id", "delivery_subjects", ["business", "kind", "subject_id"]
    )


def _work() -> None:
    op.create_table(
        "lanes",
        _text("business"),
        _text("holder", nullable=True),
        _number("fence"),
        _number("lease_until", nullable=True),
        sa.PrimaryKeyConstraint("business", name="pk_lanes"),
    )
    op.create_table(
        "work",
        _text("business"),
        _text("kind"),
        _text("id"),
        _number("wanted"),
        _number("handled"),
        _text("state"),
        _number("due_at", nullable=True),
        _number("attempts"),
        _text("reason"),
        _text("result", nullable=True),
        _text("last_error", nullable=True),
        _number("since", nullable=True),
        _number("looked_at", nullable=True),
        sa.PrimaryKeyConstraint("business", "kind", "id", name="pk_work"),
    )
    op.create_index(
        "ix_work_due",
        "work",
        ["business", "due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_work_open",
        "work",
        ["business", "state"],
        sqlite_where=sa.text("since IS NOT NULL"),
        postgresql_where=sa.text("since IS NOT NULL"),
    )


def _memory() -> None:
    op.create_table(
        "rentals",
        _text("business"),
        _text("id"),
        _text("owner_id", nullable=True),
        _text("unit_id", nullable=True),
        _text("site_id", nullable=True),
        _text("tenant", nullable=True),
        _text("group", nullable=True),
        _text("state"),
        _flag("live"),
        _text("start", nullable=True),
        _number("created", nullable=True),
        _number("first_seen", nullable=True),
        _text("ended", nullable=True),
        _text("overlock_seen", nullable=True),
        _text("overlock_sent", nullable=True),
        _flag("overlock_answered"),
        _text("overlock_not_kept", nullable=True),
        _text("pin_seen", nullable=True),
        _text("pin_sent", nullable=True),
        _flag("pin_answered"),
        _text("pin_not_kept", nullable=True),
        _flag("staff_lock"),
        _number("staff_lock_since", nullable=True),
        _number("release_for", nullable=True),
        _number("lock_at", nullable=True),
        _flag("staff_lock_at_end"),
        _text("carried_from", nullable=True),
        _text("covered_by", nullable=True),
        _number("vanished_at", nullable=True),
        sa.PrimaryKeyConstraint("business", "id", name="pk_rentals"),
    )
    op.create_index("ix_rentals_business_owner_id", "rentals", ["business", "owner_id"])
    op.create_index("ix_rentals_business_site_id", "rentals", ["business", "site_id"])
    op.create_index("ix_rentals_business_unit_id", "rentals", ["business", "unit_id"])
    op.create_index("ix_rentals_tenant_group", "rentals", ["tenant", "group"])
    op.create_table(
        "owners",
        _text("business"),
        _text("id"),
        _text("pin_seen", nullable=True),
        _text("pin_sent", nullable=True),
        _flag("pin_answered"),
        _text("pin_not_kept", nullable=True),
        sa.PrimaryKeyConstraint("business", "id", name="pk_owners"),
    )
    op.create_table(
        "codes",
        _text("business"),
        _text("owner_id"),
        _text("tenant"),
        _flag("user_known"),
        _text("in_force", nullable=True),
        _text("sent", nullable=True),
        sa.PrimaryKeyConstraint("business", "owner_id", "tenant", name="pk_codes"),
    )
    op.create_table(
        "memberships",
        _text("tenant"),
        _text("external_id"),
        _text("business"),
        _text("rental_id"),
        _text("owner_id"),
        _text("group"),
        _number("starts_at"),
        _number("ends_at", nullable=True),
        _text("state"),
        _flag("made"),
        _flag("spent"),
        sa.PrimaryKeyConstraint("tenant", "external_id", "business", name="pk_memberships"),
    )
    op.create_index("ix_memberships_business_rental_id", "memberships", ["business", "rental_id"])
    op.create_index("ix_memberships_tenant_group", "memberships", ["tenant", "group"])
    op.create_table(
        "transfers",
        _text("business"),
        _text("old"),
        _text("new"),
        _flag("carried"),
        sa.PrimaryKeyConstraint("business", "old", "new", name="pk_transfers"),
    )
    op.create_index("ix_transfers_business_new", "transfers", ["business", "new"])


def _tenants() -> None:
    op.create_table(
        "claims",
        _text("tenant"),
        _text("kind"),
        _text("id"),
        _text("business"),
        sa.PrimaryKeyConstraint("tenant", "kind", "id", name="pk_claims"),
    )
    op.create_table(
        "pins",
        _text("tenant"),
        _text("pin_hash"),
        _text("business"),
        _text("owner_id"),
        _number("free_at", nullable=True),
        _number("rested_until", nullable=True),
        sa.PrimaryKeyConstraint("tenant", "pin_hash", name="pk_pins"),
    )
    op.create_table(
        "tokens",
        _text("tenant"),
        _text("client_id"),
        _text("sealed", nullable=True),
        _number("expires_at", nullable=True),
        _number("minted_at", nullable=True),
        sa.PrimaryKeyConstraint("tenant", "client_id", name="pk_tokens"),
    )


def _units() -> None:
    op.create_table(
        "units",
        _text("business"),
        _text("id"),
        _text("tenant"),
        _text("name", nullable=True),
        _text("unit_group", nullable=True),
        sa.PrimaryKeyConstraint("business", "id", name="pk_units"),
    )
    op.create_index("ix_units_tenant_name", "units", ["tenant", "name"])
    op.create_index("ix_units_tenant_unit_group", "units", ["tenant", "unit_group"])


def _problems() -> None:
    op.create_table(
        "problems",
        _text("business"),
        _text("subject_kind"),
        _text("subject_id"),
        _text("code"),
        _text("text"),
        _number("since"),
        _number("seen_at"),
        sa.PrimaryKeyConstraint("business", "subject_kind", "subject_id", "code", name="pk_problems"),
    )
