"""The outbox's SQLite file: how it is opened, what it holds, and what becomes of it when it is damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL, rank INTEGER NOT NULL,
    kind TEXT NOT NULL, aged_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS in_force (id TEXT PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counted (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""
_COLUMNS = {
    "outbox": "seq, topic, payload, rank, kind, aged_s",
    "in_force": "id, payload",
    "counted": "name, value",
}
TABLES = tuple(_COLUMNS)
# SQLite keeps any value in any column; and a topic with a wildcard would stand in the way of all that follow.
_SENSE = {
    "outbox": "typeof(topic) = 'text' AND topic <> '' AND topic NOT GLOB '*[+#]*' AND typeof(payload) = 'blob' "
    "AND rank IN (0, 1, 2, 3, 4, 5) AND typeof(kind) = 'text' AND typeof(aged_s) = 'real'",
    "in_force": "typeof(id) = 'text' AND typeof(payload) = 'blob'",
    "counted": "typeof(name) = 'text' AND typeof(value) = 'real'",
}
MEMORY = ":memory:"

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SIDE_FILES = ("", "-wal", "-shm", "-journal")
Rows = dict[str, list[tuple[object, ...]]]


def connect(where: Path | str) -> sqlite3.Connection:
    """Open a database, new or old, for this process alone.

    Raises
    ------
    sqlite3.Error, OSError
        If it cannot be written, is damaged, or another process has it.
    """
    if isinstance(where, Path):
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What it holds is somebody's heart: nobody else reads it.
        os.close(os.open(where, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(where, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: the lock dies with the process, and no shared memory file is needed.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=256"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if isinstance(where, Path) and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _damaged("quick_check found damage")
        connection.executescript(SCHEMA)
        _check_sense(connection)
        # A write now shows whether there will be any.
        connection.execute("INSERT OR REPLACE INTO counted VALUES ('opened', 1)")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_sense(connection: sqlite3.Connection) -> None:
    """Raise if rows are none of ours: of another program, or of a version that wrote otherwise."""
    for table, sense in _SENSE.items():
        try:
            odd = connection.execute(f"SELECT 1 FROM {table} WHERE ({sense}) IS NOT TRUE LIMIT 1").fetchone()  # noqa: S608
        except sqlite3.OperationalError as error:
            if is_taken(error):
                raise
            raise _damaged(str(error)) from error
        if odd is not None:
            raise _damaged(f"{table} holds what was never put there")


def _damaged(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def is_damage(error: Exception) -> bool:
    """Return whether an error means that the file's content cannot be trusted."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def is_taken(error: Exception) -> bool:
    """Return whether an error means that another process has the file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def rows(connection: sqlite3.Connection) -> Rows:
    """Return all rows that can be read and make sense, as far as that goes."""
    out: Rows = {table: [] for table in TABLES}
    for table in TABLES:
        with contextlib.suppress(sqlite3.Error):
            query = f"SELECT {_COLUMNS[table]} FROM {table} WHERE {_SENSE[table]} ORDER BY 1"  # noqa: S608  # our own names
            for row in connection.execute(query):
                out[table].append(row)
    return out


def rows_of_file(path: Path) -> Rows:
    """Return what can be read of a file that cannot be written or is damaged."""
    if not path.exists():
        return {table: [] for table in TABLES}
    # Not `immutable`: what is still in the write-ahead log counts too, where it can be read.
    for options in ("mode=ro", "mode=ro&immutable=1"):
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)) as connection,
        ):
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return rows(connection)
    return {table: [] for table in TABLES}


def fill(connection: sqlite3.Connection, content: Rows) -> None:
    """Replace everything in a database."""
    with transaction(connection):
        for table, its_rows in content.items():
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
            for row in its_rows:
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Make everything within happen, on the disk, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def quarantine(path: Path) -> Path:
    """Put a damaged file aside under a name of its own; return that name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in _SIDE_FILES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside
