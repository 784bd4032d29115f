"""The outbox's database, on the disk as long as that can be had, and else in memory until it can be had again."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edge.sinks.outbox import file

# So long after the disk failed it is tried again.
_TRY_DISK_AGAIN_S = 30.0

_T = TypeVar("_T")


class Store:
    """A database that never fails for the disk's sake. Safe to use from several threads.

    Parameters
    ----------
    path : Path or None
        The file; its folder is made. None keeps everything in memory, as asked.

    Attributes
    ----------
    lock : threading.RLock
        To be held by whoever does two things that belong together.
    in_memory : bool
        Whether what is stored now is lost with the process.
    exclusive : bool
        Whether no other process has the file, so that it may be written anew from memory.
    damaged, trouble : str or None
        What became of a damaged file; why alerts are in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.in_memory = path is None
        self.exclusive = True
        self.damaged: str | None = None
        self.trouble: str | None = None
        self._try_again_at = 0.0
        # What happened to the file's rows while they were in memory; the file has not heard of it.
        self._gone: set[int] = set()
        self._ended: set[str] = set()
        self._newest = 0
        self._connection = self._open()
        self._newest = max(self._newest, file.last_number(self._connection))

    def do(self, act: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what an act on the database returns; it is done again, in memory, if the disk fails amid it.

        Raises
        ------
        sqlite3.DatabaseError
            If it fails in memory, too.
        """
        with self.lock:
            self._return_to_disk()
            try:
                return act(self._connection)
            except sqlite3.DatabaseError as error:
                if self.in_memory:
                    raise
                self._leave_file(error)
                return act(self._connection)
            finally:
                if not self.in_memory:
                    self._gone.clear()
                    self._ended.clear()

    def number(self) -> int:
        """Return the number of the next row, which stands for one alert for ever."""
        self._newest += 1
        return self._newest

    def note_gone(self, seq: int) -> None:
        """Note that a row was taken out, which the file may not have heard of."""
        if self.path is not None:
            self._gone.add(seq)

    def note_ended(self, alert_id: str) -> None:
        """Note that an alert is no longer in force, which the file may not have heard of."""
        if self.path is not None:
            self._ended.add(alert_id)

    def close(self) -> None:
        """Close the file."""
        with self.lock, contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return file.connect(file.MEMORY)
        try:
            return file.connect(self.path)
        except (sqlite3.Error, OSError) as error:
            return self._without_file(error)

    def _without_file(self, error: Exception) -> sqlite3.Connection:
        """Begin a new file if the old one is damaged, and else go on in memory, with what can be read."""
        path = self.path
        assert path is not None  # noqa: S101  # only a file fails
        if file.is_taken(error):
            self.exclusive = False
            self._go_to_memory("another process has the outbox")
            return file.connect(file.MEMORY)
        content = file.rows_of_file(path)
        if file.is_damage(error):
            try:
                aside = file.quarantine(path)
                self.damaged = f"the outbox was damaged and is kept as {aside.name}"
                connection = file.connect(path)
                file.fill(connection, content)
                return connection
            except (sqlite3.Error, OSError) as another:
                error = another
        self._go_to_memory(getattr(error, "strerror", None) or str(error))
        connection = file.connect(file.MEMORY)
        file.fill(connection, content)
        return connection

    def _leave_file(self, error: sqlite3.DatabaseError) -> None:
        content = file.rows(self._connection)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        connection = self._without_file(error)
        self._join(connection, content)
        self._connection = connection

    def _go_to_memory(self, why: str) -> None:
        self.in_memory = True
        self._try_again_at = time.monotonic() + _TRY_DISK_AGAIN_S
        # What the file holds perhaps cannot be read: no number may stand for two alerts once it can.
        self._newest = max(self._newest, time.time_ns() // 1000)
        self.trouble = f"alerts are kept in memory only: {why}"

    def _return_to_disk(self) -> None:
        if not self.in_memory or self.path is None or not self.exclusive:
            return
        if time.monotonic() < self._try_again_at:
            return
        self._try_again_at = time.monotonic() + _TRY_DISK_AGAIN_S
        try:
            connection = file.connect(self.path)
        except (sqlite3.Error, OSError):
            return
        try:
            self._join(connection, file.rows(self._connection))
        except sqlite3.Error:
            connection.close()
            return
        self._connection.close()
        self._connection = connection
        self.in_memory, self.trouble = False, None

    def _join(self, connection: sqlite3.Connection, content: file.Rows) -> None:
        """Put rows into a database, which may hold some that could not be read until now."""
        there = file.rows(connection)
        old = {
            "outbox": {row[0]: row for row in there["outbox"] if row[0] not in self._gone},
            "in_force": {row[0]: row for row in there["in_force"] if row[0] not in self._ended},
            "counted": {row[0]: row for row in there["counted"]},
        }
        new = {table: {row[0]: row for row in rows} for table, rows in content.items()}
        joined = {
            "outbox": dict(sorted((old["outbox"] | new["outbox"]).items())),
            "in_force": old["in_force"] | new["in_force"],
            "counted": old["counted"] | new["counted"],
        }
        file.fill(connection, {table: list(rows.values()) for table, rows in joined.items()})
