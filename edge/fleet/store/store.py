"""Puts batches into the database, each row once, a batch whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from edge.errors import EcgEdgeError
from edge.fleet.store import tables
from edge.fleet.store.batch import Batch, Message, Row
from edge.fleet.store.database import month_after, month_of, reason_of

_MAKING_PARTITIONS = 0x0ECD


class AwayError(EcgEdgeError):
    """The database cannot be reached, or cannot write; it may be able to later."""


class Store:
    """The database of many devices.

    Parameters
    ----------
    engine : Engine
        Migrated.

    Attributes
    ----------
    stored : Counter of str
        Rows put into each table so far; `doubled` counts alerts that were there already.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._postgresql = engine.dialect.name == "postgresql"
        self._months: set[tuple[str, datetime]] = set()
        self._known: dict[str, Row] = {}
        self._told: dict[str, datetime] = {}
        self.stored: Counter[str] = Counter()

    def load(self) -> None:
        """Learn what is known of the devices.

        Raises
        ------
        AwayError
            If that cannot be had.
        """
        try:
            with self._engine.connect() as connection:
                self._known = {row[0]: tuple(row) for row in connection.execute(sa.select(tables.devices))}
        except DBAPIError as error:
            raise AwayError(reason_of(error)) from error

    def put(self, messages: Sequence[Message]) -> int:
        """Store messages; return how many of them are not believed, or not taken by the database.

        Raises
        ------
        AwayError
            If the database does nothing now; nothing of it is stored then, and may be tried again.
        """
        known, told = dict(self._known), dict(self._told)
        batch = Batch(known, told)
        for message in messages:
            batch.add(message)
        try:
            self._write(batch)
        except (OperationalError, InterfaceError) as error:
            raise AwayError(reason_of(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise AwayError(reason_of(error)) from error
            return self._in_pieces(messages, error)
        self._known, self._told = known, told
        return len(batch.rejected)

    def _in_pieces(self, messages: Sequence[Message], error: DBAPIError) -> int:
        """Store what the database takes of a batch of which it does not take something."""
        if len(messages) > 1:
            half = len(messages) // 2
            return self.put(messages[:half]) + self.put(messages[half:])
        batch = Batch({}, {})
        batch.reject(messages[0], f"the database does not take it, {reason_of(error)}")
        try:
            self._write(batch)
        except DBAPIError as again:
            raise AwayError(reason_of(again)) from again
        return 1

    def _write(self, batch: Batch) -> None:
        made: set[tuple[str, datetime]] = set()
        with self._engine.begin() as connection:
            if self._postgresql:
                made |= self._make_partitions(connection, tables.alerts, batch.alerts)
                made |= self._make_partitions(connection, tables.vitals, batch.vitals)
            added = Counter(
                {
                    "alerts": self._insert(connection, tables.alerts, batch.alerts),
                    "vitals": self._insert(connection, tables.vitals, batch.vitals),
                    "statuses": self._insert(connection, tables.statuses, batch.statuses),
                    "rejected": self._insert(connection, tables.rejected, batch.rejected),
                }
            )
            _follow(connection, batch.alerts)
            self._renew(connection, tables.devices, list(batch.devices.values()))
            self._renew(connection, tables.latest, list(batch.latest.values()))
        # Not known before it is committed: a batch that is rolled back takes its months along.
        self._months |= made
        added["doubled"] = len(batch.alerts) - added["alerts"]
        self.stored += added

    def _insert(self, connection: Connection, table: sa.Table, rows: list[Row]) -> int:
        """Add rows, but for those that are there; return how many were added."""
        if not rows:
            return 0
        if not self._postgresql:
            statement = insert_sqlite(table).on_conflict_do_nothing()
            return connection.execute(statement, _named(table, rows)).rowcount
        self._copy(connection, table, rows)
        added = connection.exec_driver_sql(
            f"INSERT INTO {table.name} SELECT * FROM new_{table.name} ON CONFLICT DO NOTHING"  # noqa: S608  # our names
        )
        return added.rowcount

    def _renew(self, connection: Connection, table: sa.Table, rows: list[Row]) -> None:
        """Add rows, one per device, or put them in the place of those before."""
        if not rows:
            return
        insert: Any = insert_postgresql(table) if self._postgresql else insert_sqlite(table)
        values = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
        # In one order, so that two collectors never wait for each other.
        connection.execute(
            insert.on_conflict_do_update(index_elements=["device"], set_=values),
            _named(table, sorted(rows, key=lambda row: row[0])),
        )

    def _copy(self, connection: Connection, table: sa.Table, rows: list[Row]) -> None:
        names = ", ".join(column.name for column in table.columns)
        new = f"new_{table.name}"
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {new} (LIKE {table.name}) ON COMMIT DELETE ROWS"
        )
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {new} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    # -- months -------------------------------------------------------------------------------------------------------

    def _make_partitions(self, connection: Connection, table: sa.Table, rows: list[Row]) -> set[tuple[str, datetime]]:
        made = set()
        # The column that says which month comes first in both tables.
        for month in sorted({month_of(row[0]) for row in rows}):
            if (table.name, month) in self._months:
                continue
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING_PARTITIONS})")
            connection.exec_driver_sql(
                f"CREATE TABLE IF NOT EXISTS {table.name}_{month:%Y_%m} PARTITION OF {table.name} "
                f"FOR VALUES FROM ('{month:%Y-%m-%d}') TO ('{month_after(month):%Y-%m-%d}')"
            )
            made.add((table.name, month))
        return made

    def forget(self, table: sa.Table, before: datetime) -> int:
        """Let go of what was received before a time: whole months in PostgreSQL, rows elsewhere.

        Returns
        -------
        int
            Partitions or rows that were let go.

        Raises
        ------
        AwayError
            If the database does nothing now.
        """
        try:
            with self._engine.begin() as connection:
                if table is tables.alerts:
                    # Whose end was never told is not in force for ever.
                    in_force = tables.alerts_in_force
                    connection.execute(sa.delete(in_force).where(in_force.c.received < before))
                if not (self._postgresql and table.name in tables.PARTITIONED):
                    return connection.execute(sa.delete(table).where(table.c.received < before)).rowcount
                return sum(self._drop(connection, table, name, before) for name in self._partitions(connection, table))
        except DBAPIError as error:
            raise AwayError(reason_of(error)) from error

    def _partitions(self, connection: Connection, table: sa.Table) -> list[str]:
        found = connection.exec_driver_sql(
            f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table.name}'::regclass"  # noqa: S608
        )
        return sorted(name for (name,) in found)

    def _drop(self, connection: Connection, table: sa.Table, name: str, before: datetime) -> bool:
        # By when they came, too: what a device says whose clock is years off is not old.
        if name >= f"{table.name}_{month_of(before):%Y_%m}":
            return False
        newest = connection.exec_driver_sql(f"SELECT max(received) FROM {name}").scalar()  # noqa: S608  # our names
        if newest is not None and newest >= before:
            return False
        connection.exec_driver_sql(f"DROP TABLE {name}")
        self._months = {key for key in self._months if f"{key[0]}_{key[1]:%Y_%m}" != name}
        return True


def _follow(connection: Connection, rows: list[Row]) -> None:
    """Bring up to date which of the alerts of some rows are in force; by what is stored, in whatever order it came."""
    if not rows:
        return
    kept, told, later = tables.alerts_in_force, tables.alerts.alias("told"), tables.alerts.alias("later")
    # By time, too, so that other months are not looked at.
    times, ids = {row[0] for row in rows}, {row[1] for row in rows}
    connection.execute(sa.delete(kept).where(kept.c.began.in_(times), kept.c.id.in_(ids)))
    outdated = sa.exists().where(
        later.c.began == told.c.began,
        later.c.id == told.c.id,
        sa.or_(
            later.c.phase == "end",
            later.c.sample > told.c.sample,
            sa.and_(later.c.sample == told.c.sample, later.c.phase > told.c.phase),
        ),
    )
    newest = sa.select(*(told.c[column.name] for column in kept.columns)).where(
        told.c.began.in_(times), told.c.id.in_(ids), told.c.phase != "end", ~outdated
    )
    connection.execute(sa.insert(kept).from_select(list(kept.columns), newest))


def _named(table: sa.Table, rows: list[Row]) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in rows]
