"""Between the values of `core` and rows: by field name, so that a new field needs a column and nothing else.

A `FieldMemory` called `pin` lies flat in the row, as `pin_seen`, `pin_sent`, `pin_answered` and `pin_not_kept`.
Statements that a burst runs again and again are built once: building one costs more than running it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar, get_type_hints

from sqlalchemy import Connection, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite

from keyturn.core.memory import FieldMemory

T = TypeVar("T")
First = TypeVar("First", bound=str)
Second = TypeVar("Second", bound=str)

Insert = sqlite.Insert | postgresql.Insert
"""Both know the same ON CONFLICT clauses; SQLAlchemy has no common class for them."""


def to_row(value: object, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass as columns."""
    row: dict[str, Any] = {}
    cls: Any = type(value)
    for name, flat in _shape(cls).items():
        if name in without:
            continue
        field = getattr(value, name)
        row.update({f"{name}_{part}": getattr(field, part) for part in flat} if flat else {name: field})
    return row


def from_row(cls: type[T], row: RowMapping, **others: Any) -> T:
    """Build a `cls` from the columns that carry its fields' names; `others` are fields the row does not have."""
    hashable: Any = cls
    shape = _shape(hashable)
    return cls(**others, **{name: _field(row, name, flat) for name, flat in shape.items() if name not in others})


def _field(row: RowMapping, name: str, flat: tuple[str, ...]) -> Any:
    return FieldMemory(**{part: row[f"{name}_{part}"] for part in flat}) if flat else row[name]


@lru_cache
def _shape(cls: type[Any]) -> dict[str, tuple[str, ...]]:
    """Return the field names of a dataclass; those that are a `FieldMemory` with the names of its parts."""
    parts = tuple(part.name for part in fields(FieldMemory))
    types = get_type_hints(cls)
    return {field.name: parts if types[field.name] is FieldMemory else () for field in fields(cls)}


def by_first(pairs: Iterable[tuple[First, Second]]) -> dict[First, list[Second]]:
    """Group pairs by their first part, both in order.

    For `first = ? AND second IN (...)`: with a list of pairs SQLite reads the whole table.
    """
    grouped: dict[First, list[Second]] = {}
    for first, second in sorted(set(pairs)):
        grouped.setdefault(first, []).append(second)
    return grouped


def insert(dialect: str, table: Table) -> Insert:
    """Start an INSERT that knows ON CONFLICT, for `connection.dialect.name`."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_new(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there yet."""
    if rows := list(rows):
        connection.execute(_insert_new(connection.dialect.name, table), rows)


def upsert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows, or overwrite those with the same primary key. All rows have the same columns."""
    if rows := list(rows):
        connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0])), rows)


@lru_cache
def _insert_new(dialect: str, table: Table) -> Insert:
    return insert(dialect, table).on_conflict_do_nothing()


@lru_cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    keys = [column.name for column in table.primary_key]
    statement = insert(dialect, table)
    overwrite = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=overwrite)
