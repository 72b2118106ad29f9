"""The PostgreSQL server to measure with: the one that is named, else the one on this machine's usual port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import psycopg
from psycopg import sql

USUAL = "postgresql://postgres@127.0.0.1:5432"
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Server:
    """A server on which databases may be made. `url` ends before the database's name."""

    url: str

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database for the length of a block; yield its address."""
        name = f"keyturn_bench_{os.getpid()}_{next(_NUMBERS)}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{self.url}/{name}"
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def durable(self) -> bool:
        """Say whether a commit waits for the disk."""
        with psycopg.connect(f"{self.url}/postgres") as connection:
            settings = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
        return all(row == ("on",) for row in settings)

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(statement)


def found_server(named: str | None) -> Server | None:
    """Return the server; `None` where none answers. Raises `RuntimeError` where its commits are not durable."""
    server = Server((named or USUAL).rstrip("/"))
    try:
        durable = server.durable()
    except psycopg.OperationalError:
        return None
    if not durable:
        raise RuntimeError("the PostgreSQL server does not wait for the disk; its figures would not be comparable")
    return server
