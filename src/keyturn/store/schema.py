"""The tables. How they came to be is in `migrations`; a test compares the two.

| table | one row per | written by |
|---|---|---|
| businesses | Storeganise account | serve, sweep |
| deliveries, delivery_subjects | webhook received, and what it woke | intake |
| work | subject to look at | whoever wakes, and the worker |
| lanes | business: who works on it | workers |
| rentals, owners, codes, memberships, transfers | what is remembered between two looks | the lane's holder |
| claims, pins, units, tokens | tenant (a provider's backend) and what is unique there | the lane's holder |
| problems | subject with something a person must solve | the lane's holder |
| installations | add-on installation that ever delivered | intake, `keyturn addons` |
| shares | worker process: how many requests a backend gets from it | workers |
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, UniqueConstraint

from keyturn.core.installation import InstallationState
from keyturn.core.memory import RecordState
from keyturn.store.columns import CalendarDate, Instant, PlainText, Word
from keyturn.store.words import DeliveryState, WorkState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(name: str) -> Column[str]:
    return Column(name, PlainText, primary_key=True)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, PlainText, nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Instant, nullable=nullable)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _field(name: str) -> tuple[Column[str], Column[str], Column[bool], Column[str]]:
    """Return the columns of a `FieldMemory`."""
    return (
        _text(f"{name}_seen", nullable=True),
        _text(f"{name}_sent", nullable=True),
        _flag(f"{name}_answered"),
        _text(f"{name}_not_kept", nullable=True),
    )


businesses = Table(
    "businesses",
    metadata,
    _key("code"),
    _instant("memory_since"),
    _instant("swept_until", nullable=True),
    _instant("units_read_at", nullable=True),
    _text("api_url", nullable=True),  # NULL: not started since an older version made the row
    Column("named", Boolean, nullable=True),  # by the settings; NULL: not started since an older version made the row
    UniqueConstraint("api_url"),
)

installations = Table(
    "installations",
    metadata,
    _key("addon_id"),
    _text("business", nullable=True),
    _text("api_url", nullable=True),
    Column("state", Word(InstallationState), nullable=False),
    _instant("first_seen"),
    _instant("last_seen"),
    _text("refused_url", nullable=True),  # the last address that was not believed
    _instant("refused_at", nullable=True),
    _instant("unseen_since", nullable=True),  # since when changes were not listed, because its key was refused
    Index(None, "business"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("business"),
    _text("key"),
    _text("event_id", nullable=True),
    _text("type"),
    _instant("received_at"),
    _instant("last_at"),
    _count("repeats"),
    Column("state", Word(DeliveryState), nullable=False),
    _text("document"),
    _text("addon_id", nullable=True),  # the installation it came from; NULL: the plain webhook
    UniqueConstraint("business", "key"),
    Index(None, "last_at"),
    Index(None, "addon_id"),
)

delivery_subjects = Table(
    "delivery_subjects",
    metadata,
    Column(
        "delivery_id",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("deliveries.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _key("kind"),
    _key("subject_id"),
    _text("business"),
    _count("wanted"),  # the wake this delivery caused: a look that handled this many has answered it; 0: none yet
    Index(None, "business", "kind", "subject_id"),
)

work = Table(
    "work",
    metadata,
    _key("business"),
    _key("kind"),
    _key("id"),
    _count("wanted"),
    _count("handled"),
    Column("state", Word(WorkState), nullable=False),
    _instant("due_at", nullable=True),
    _count("attempts"),
    _text("reason"),
    _text("result", nullable=True),
    _text("last_error", nullable=True),
    _instant("since", nullable=True),
    _instant("looked_at", nullable=True),
    _text("trace", nullable=True),  # the trace of the last wake (W3C traceparent)
)
Index(
    "ix_work_due",
    work.c.business,
    work.c.due_at,
    sqlite_where=work.c.due_at.is_not(None),
    postgresql_where=work.c.due_at.is_not(None),
)
Index(
    "ix_work_open",
    work.c.business,
    work.c.state,
    sqlite_where=work.c.since.is_not(None),
    postgresql_where=work.c.since.is_not(None),
)

lanes = Table(
    "lanes",
    metadata,
    _key("business"),
    _text("holder", nullable=True),
    _count("fence"),
    _instant("lease_until", nullable=True),
    _instant("asked_until", nullable=True),  # a command waits for the lane: its holder gives way, nobody else takes it
)

rentals = Table(
    "rentals",
    metadata,
    _key("business"),
    _key("id"),
    _text("owner_id", nullable=True),
    _text("unit_id", nullable=True),
    _text("site_id", nullable=True),
    _text("tenant", nullable=True),
    _text("group", nullable=True),
    _text("state"),
    _flag("live"),
    Column("start", CalendarDate),
    _instant("created", nullable=True),
    _instant("first_seen", nullable=True),
    Column("ended", CalendarDate),
    *_field("overlock"),
    *_field("pin"),
    _flag("staff_lock"),
    _instant("staff_lock_since", nullable=True),
    _instant("release_for", nullable=True),
    _instant("lock_at", nullable=True),
    _flag("staff_lock_at_end"),
    _text("carried_from", nullable=True),
    _text("covered_by", nullable=True),
    _instant("vanished_at", nullable=True),
    Index(None, "business", "owner_id"),
    Index(None, "business", "unit_id"),
    Index(None, "business", "site_id"),
    Index(None, "tenant", "group"),
)

owners = Table("owners", metadata, _key("business"), _key("id"), *_field("pin"))

codes = Table(
    "codes",
    metadata,
    _key("business"),
    _key("owner_id"),
    _key("tenant"),
    _flag("user_known"),
    _text("in_force", nullable=True),
    _text("sent", nullable=True),
    _instant("unsure_until", nullable=True),
)

memberships = Table(
    "memberships",
    metadata,
    _key("tenant"),
    _key("external_id"),
    _key("business"),
    _text("rental_id"),
    _text("owner_id"),
    _text("group"),
    _instant("starts_at"),
    _instant("ends_at", nullable=True),
    Column("state", Word(RecordState), nullable=False),
    _flag("made"),
    _flag("spent"),
    _instant("unsure_until", nullable=True),
    Index(None, "business", "rental_id"),
    Index(None, "tenant", "group"),
)

transfers = Table(
    "transfers",
    metadata,
    _key("business"),
    _key("old"),
    _key("new"),
    _flag("carried"),
    Index(None, "business", "new"),
)

claims = Table("claims", metadata, _key("tenant"), _key("kind"), _key("id"), _text("business"))

pins = Table(
    "pins",
    metadata,
    _key("tenant"),
    _key("pin_hash"),
    _text("business"),
    _text("owner_id"),
    _instant("free_at", nullable=True),
    _instant("rested_until", nullable=True),  # the rest that its own owner cut short by reserving it again
)

units = Table(
    "units",
    metadata,
    _key("business"),
    _key("id"),
    _text("tenant"),
    _text("name", nullable=True),
    _text("unit_group", nullable=True),
    Index(None, "tenant", "name"),
    Index(None, "tenant", "unit_group"),
)

tokens = Table(
    "tokens",
    metadata,
    _key("tenant"),
    _key("client_id"),
    _text("sealed", nullable=True),  # NULL: only the row that is locked while the first token is fetched
    _instant("expires_at", nullable=True),
    _instant("minted_at", nullable=True),
    _text("secret_hash", nullable=True),  # of the client secret it was fetched with: another one must not borrow it
)

problems = Table(
    "problems",
    metadata,
    _key("business"),
    _key("subject_kind"),
    _key("subject_id"),
    _key("code"),
    _text("text"),
    _instant("since"),
    _instant("seen_at"),
    _text("details", nullable=True),  # JSON: what the sentence names, for other languages
    _text("target_kind", nullable=True),
    _text("target_id", nullable=True),
    _instant("telling_at", nullable=True),  # stored before the task goes out
    _instant("told_at", nullable=True),  # the task was answered
)

shares = Table("shares", metadata, _key("holder"), _count("amount"), _instant("until"))
