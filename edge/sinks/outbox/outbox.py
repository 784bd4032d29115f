"""Keeps every phase of an alert on the disk until the broker has acknowledged it.

A phase is committed (SQLite, write-ahead log, synchronous=FULL) before it is offered, and leaves only on PUBACK; the
order is that in which they were put. Where the disk fails the outbox goes on in memory and says so in `trouble`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from edge.messages import Phase, Priority
from edge.sinks.outbox import file
from edge.sinks.outbox.store import Store

_URGENCY: dict[Priority, int] = {"low": 0, "medium": 2, "high": 4}
_PRIORITIES: dict[int, Priority] = {urgency: priority for priority, urgency in _URGENCY.items()}
NOTICE = "alerts_lost"
"""Kind of the alert about lost alerts; it is not dropped itself."""

_WAITING = "SELECT count(*) FROM outbox WHERE aside IS NULL"
_REMEMBER = "INSERT INTO in_force VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET payload = excluded.payload"

_T = TypeVar("_T")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept.

    Attributes
    ----------
    max_bytes : int
        Of payloads together.
    max_age_s : float
        Of each, in time that the device ran: the wall clock may jump.
    """

    max_bytes: int = 16_000_000
    max_age_s: float = 7 * 24 * 3600.0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One phase of an alert.

    Attributes
    ----------
    topic, payload : str, bytes
        What is said where.
    id : str
        The alert's.
    kind, phase, priority : str
        Of the alert; decide what is dropped first.
    in_force : bytes or None
        What is to be remembered of it while it is in force; not used in the end phase.
    """

    topic: str
    payload: bytes
    id: str
    kind: str
    phase: Phase
    priority: Priority
    in_force: bytes | None = None


class Outbox:
    """What waits to be acknowledged. Safe to use from several threads.

    Parameters
    ----------
    path : Path or None
        The file; its folder is made. None keeps everything in memory, as asked.
    limits : Limits
        How much is kept.
    """

    def __init__(self, path: Path | None, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._offered = 0
        # What the broker does not take, and why; it is offered again later.
        self._deferred: dict[int, str] = {}
        self.refusal: str | None = None
        self._store = Store(path)
        self._lock = self._store.lock
        self._started = time.monotonic()
        counted: dict[str, float] = self._do(lambda c: dict(c.execute("SELECT name, value FROM counted")))
        self._began_s = counted.get("clock_s", 0.0)
        self.lost: dict[Priority, int] = {p: int(counted.get(f"lost_{p}", 0)) for p in _URGENCY}
        self.unsaid: dict[Priority, int] = {p: int(counted.get(f"unsaid_{p}", 0)) for p in _URGENCY}
        self._set_faulty_aside()

    @property
    def durable(self) -> bool:
        """Whether what is put survives a power cut."""
        return not self._store.in_memory

    @property
    def exclusive(self) -> bool:
        """Whether no other process has the file."""
        return self._store.exclusive

    @property
    def damaged(self) -> str | None:
        """What became of a file that was damaged."""
        return self._store.damaged

    @property
    def trouble(self) -> str | None:
        """Why alerts are in memory only."""
        return self._store.trouble

    def put(self, entry: Entry) -> None:
        """Keep a phase; when this returns it is on the disk.

        What is too old or too much is dropped, the least important first, in the same transaction.
        """

        def act(connection: sqlite3.Connection) -> None:
            with file.transaction(connection):
                dropped = self._make_room(connection, entry)
                if entry.phase == "end":
                    connection.execute("DELETE FROM in_force WHERE id = ?", (entry.id,))
                    self._store.note_ended(entry.id)
                elif entry.in_force is not None:
                    connection.execute(_REMEMBER, (entry.id, entry.in_force))
                self._note(connection, "clock_s", self._clock_s())
            for priority, n in dropped.items():
                self.lost[priority] += n
                self.unsaid[priority] += n

        self._do(act)

    def next(self, after: int = 0) -> tuple[int, str, bytes] | None:
        """Return number, topic and payload of the first phase after that number that can be sent, or None.

        A row that was damaged meanwhile is set aside, and counts as lost.
        """

        def act(connection: sqlite3.Connection) -> file.Row | None:
            row: file.Row | None = connection.execute(
                "SELECT * FROM outbox WHERE seq > ? AND aside IS NULL ORDER BY seq LIMIT 1",
                (after,),
            ).fetchone()
            return row

        with self._lock:
            while (row := self._do(act)) is not None and (row[0] in self._deferred or self._is_faulty(row)):
                after = row[0]
            self._offered = row[0] if row else self._offered
            return (row[0], row[1], row[2]) if row else None

    def withdraw(self) -> None:
        """Forget what was offered: the connection broke, and it will be offered again."""
        with self._lock:
            self._offered = 0

    def defer(self, seq: int, why: str) -> None:
        """Leave out a phase that the broker does not take, so that it does not stand in the way of those behind it."""
        with self._lock:
            self._deferred[seq] = why
            self.refusal = why

    def release(self) -> None:
        """Offer again what was deferred; that it was refused holds until something is acknowledged."""
        with self._lock:
            self._deferred.clear()

    @property
    def refused(self) -> str | None:
        """What the broker does not take, and why the last of it; None if it takes everything."""
        return None if self.refusal is None else f"the broker does not take an alert, {self.refusal}"

    @property
    def deferred(self) -> int:
        """How many phases the broker does not take."""
        return len(self._deferred)

    @property
    def aside(self) -> int:
        """How many phases are kept, but cannot be sent: damaged, or of a topic that no broker takes."""
        return self._do(lambda c: int(c.execute("SELECT count(*) FROM outbox WHERE aside NOT NULL").fetchone()[0]))

    def acknowledge(self, seq: int) -> None:
        """Take out what the broker has."""

        def act(connection: sqlite3.Connection) -> None:
            with file.transaction(connection):
                connection.execute("DELETE FROM outbox WHERE seq = ?", (seq,))

        with self._lock:
            self._deferred.pop(seq, None)
            if not self._deferred:
                self.refusal = None
            self._do(act)
            self._store.note_gone(seq)

    def in_force(self) -> list[bytes]:
        """Return what is remembered of the alerts in force, oldest first."""
        return self._do(lambda c: [row[0] for row in c.execute("SELECT payload FROM in_force ORDER BY rowid")])

    def forget(self, remembered: bytes) -> None:
        """Take out what is remembered of an alert in force that nobody understands."""
        self._do(lambda c: c.execute("DELETE FROM in_force WHERE payload = ?", (remembered,)))

    def said(self, priority_counts: dict[Priority, int]) -> None:
        """Note that these losses have been told."""

        def act(connection: sqlite3.Connection) -> None:
            with file.transaction(connection):
                for priority, n in priority_counts.items():
                    self._note(connection, f"unsaid_{priority}", self.unsaid[priority] - n)
            for priority, n in priority_counts.items():
                self.unsaid[priority] -= n

        self._do(act)

    def notice_waits(self) -> bool:
        """Return whether an alert about lost alerts still waits."""
        return self._do(
            lambda c: c.execute("SELECT 1 FROM outbox WHERE kind = ? LIMIT 1", (NOTICE,)).fetchone() is not None
        )

    @property
    def pending(self) -> int:
        """How many phases wait."""
        return self._do(lambda c: int(c.execute(_WAITING).fetchone()[0]))

    def kinds(self) -> list[str]:
        """Return the kinds of the alerts that wait, the most urgent first."""
        query = "SELECT kind FROM outbox WHERE aside IS NULL GROUP BY kind ORDER BY max(rank) DESC, min(seq)"
        return self._do(lambda c: [row[0] for row in c.execute(query)])

    @property
    def path(self) -> Path | None:
        """The file; None if it was asked for none."""
        return self._store.path

    @property
    def offerable(self) -> int:
        """How many phases wait that the broker may take."""
        with self._lock:
            return self.pending - len(self._deferred)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    # -- room ---------------------------------------------------------------------------------------------------------

    def _make_room(self, connection: sqlite3.Connection, entry: Entry) -> dict[Priority, int]:
        """Put an entry in; drop what is too old, and the least urgent, updates first, until all fits; count that."""
        # What is on its way is not lost.
        spare = (NOTICE, self._offered)
        oldest_s = self._clock_s() - self._limits.max_age_s
        victims = connection.execute(
            "SELECT seq, rank FROM outbox WHERE kind <> ? AND seq > ? AND aged_s < ?", (*spare, oldest_s)
        ).fetchall()
        dropped = self._drop(connection, victims, {})
        rank = _rank(entry)
        crc = file.checksum(entry.topic, entry.payload, rank, entry.kind)
        connection.execute(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (self._store.number(), entry.topic, entry.payload, rank, entry.kind, self._clock_s(), crc),
        )
        (held,) = connection.execute("SELECT sum(length(payload)) FROM outbox").fetchone()
        excess = held - self._limits.max_bytes
        victims = []
        if excess > 0:
            for seq, rank, size in connection.execute(
                "SELECT seq, rank, length(payload) FROM outbox WHERE kind <> ? AND seq > ? ORDER BY rank, seq", spare
            ):
                if excess <= 0:
                    break
                victims.append((seq, rank))
                excess -= size
        return self._drop(connection, victims, dropped)

    def _drop(
        self, connection: sqlite3.Connection, victims: list[tuple[int, int]], dropped: dict[Priority, int]
    ) -> dict[Priority, int]:
        for seq, rank in victims:
            was_aside = connection.execute("SELECT 1 FROM outbox WHERE seq = ? AND aside NOT NULL", (seq,)).fetchone()
            connection.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
            self._store.note_gone(seq)
            self._deferred.pop(seq, None)
            if was_aside:  # and was counted then
                continue
            priority = _PRIORITIES[rank & ~1]
            dropped[priority] = dropped.get(priority, 0) + 1
        for priority, n in dropped.items():
            self._note(connection, f"lost_{priority}", self.lost[priority] + n)
            self._note(connection, f"unsaid_{priority}", self.unsaid[priority] + n)
        return dropped

    @staticmethod
    def _note(connection: sqlite3.Connection, name: str, value: float) -> None:
        connection.execute("INSERT OR REPLACE INTO counted VALUES (?, ?)", (name, value))

    def _clock_s(self) -> float:
        """Time that the device ran with this outbox, over all starts."""
        return self._began_s + time.monotonic() - self._started

    # -- rows that cannot be sent -------------------------------------------------------------------------------------

    def _set_faulty_aside(self) -> None:
        """Look at every row once: those that cannot be sent are set aside alone."""
        for row in self._do(file.rows)["outbox"]:
            if row[7] is None:
                self._is_faulty(row)

    def _is_faulty(self, row: file.Row) -> bool:
        """Return whether a row cannot be sent; it is then set aside and counted as lost."""
        why = file.fault(row)
        if why is None:
            return False
        priority = _PRIORITIES[(row[3] if row[3] in range(file.MOST_URGENT + 1) else file.MOST_URGENT) & ~1]

        def act(connection: sqlite3.Connection) -> None:
            with file.transaction(connection):
                connection.execute("UPDATE outbox SET aside = ? WHERE seq = ?", (why, row[0]))
                self._note(connection, f"lost_{priority}", self.lost[priority] + 1)
                self._note(connection, f"unsaid_{priority}", self.unsaid[priority] + 1)
            self.lost[priority] += 1
            self.unsaid[priority] += 1

        self._do(act)
        return True

    def _do(self, act: Callable[[sqlite3.Connection], _T]) -> _T:
        return self._store.do(act)


def _rank(entry: Entry) -> int:
    """Return how late an entry is dropped: by urgency, and updates before the rest."""
    return _URGENCY[entry.priority] + (entry.phase != "update")
