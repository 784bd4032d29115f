"""The outbox's SQLite file: how it is opened, what it holds, what becomes of it or of a row when it is damaged."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.sinks.outputs import refuse

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL, rank INTEGER NOT NULL,
    kind TEXT NOT NULL, aged_s REAL NOT NULL, crc INTEGER, aside TEXT);
CREATE TABLE IF NOT EXISTS in_force (id TEXT PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counted (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""
_FIRST_COLUMNS = ("seq", "topic", "payload", "rank", "kind", "aged_s")
_COLUMNS = {
    "outbox": (*_FIRST_COLUMNS, "crc", "aside"),
    "in_force": ("id", "payload"),
    "counted": ("name", "value"),
}
TABLES = tuple(_COLUMNS)
# SQLite keeps any value in any column.
_SENSE = {
    "in_force": "typeof(id) = 'text' AND typeof(payload) = 'blob'",
    "counted": "typeof(name) = 'text' AND typeof(value) = 'real'",
}
# What no broker takes: a wildcard, a broker's own, nothing.
_TOPIC = re.compile(r"[^$#+\0][^#+\0]*")
_RANKS = range(6)
MOST_URGENT = 5
_log = logging.getLogger(__name__)

DAMAGED = "damaged"
FOREIGN = "of a topic that no broker takes"
MEMORY = ":memory:"

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MAGIC = b"SQLite format 3\0"
_DATABASES = (".sqlite", ".sqlite3", ".db")
"""What is named so and is no database is a damaged one."""
_SIDE_FILES = ("", "-wal", "-shm", "-journal")
# Rows that cannot be read are stepped over; so many in a row are the end of what can be had.
_MOST_UNREADABLE = 10_000
Row = tuple[Any, ...]
Rows = dict[str, list[Row]]


def checksum(topic: str, payload: bytes, rank: int, kind: str) -> int:
    """Return the CRC-32 of what a row says."""
    return zlib.crc32(payload, zlib.crc32(f"{topic}\0{rank}\0{kind}\0".encode()))


def fault(row: Row) -> str | None:
    """Return why a row of the outbox cannot be sent; None if it can."""
    _, topic, payload, rank, kind, aged_s, crc, _ = row
    typed = isinstance(topic, str) and isinstance(payload, bytes) and isinstance(kind, str)
    if not typed or rank not in _RANKS or not isinstance(aged_s, float) or crc != checksum(topic, payload, rank, kind):
        return DAMAGED
    return None if _TOPIC.fullmatch(topic) else FOREIGN


def connect(where: Path | str) -> sqlite3.Connection:
    """Open a database, new or old, for this process alone; one of an earlier version is brought to this one.

    Raises
    ------
    sqlite3.Error, OSError
        If it cannot be written, is damaged, or another process has it.
    """
    if isinstance(where, Path):
        _refuse_foreign(where)
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What it holds is somebody's heart: nobody else reads it.
        os.close(os.open(where, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(where, timeout=1.0, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    try:
        # Exclusive: the lock dies with the process, and no shared memory file is needed.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=256"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if isinstance(where, Path) and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _damaged("quick_check found damage")
        connection.executescript(SCHEMA)
        with transaction(connection):
            _modernize(connection)
            _drop_nonsense(connection)
            # A write now shows whether there will be any.
            connection.execute("INSERT OR REPLACE INTO counted VALUES ('opened', 1)")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_foreign(path: Path) -> None:
    """Raise OSError if there is something that was never an outbox, not even one that is damaged by now."""
    refuse(path, is_ours=lambda head: head.startswith(_MAGIC) or path.suffix in _DATABASES)
    if not path.exists():
        return
    # What cannot be read is damaged, which is no news here.
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and not tables & set(TABLES):
            raise FileExistsError(errno.EEXIST, "is the database of something else", str(path))


def _text(content: bytes) -> str | bytes:
    """Return a text, or the bytes that are none: a row of them is set aside and stops nobody."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _modernize(connection: sqlite3.Connection) -> None:
    """Give the rows of a file that an earlier version wrote their checksums."""
    columns = _columns_there(connection)
    if not set(_FIRST_COLUMNS) <= columns:
        raise _damaged("the outbox's table is not ours")
    if "crc" in columns:
        return
    sums = [(row[6], row[0]) for row in _outbox_rows(connection)]
    connection.execute("ALTER TABLE outbox ADD COLUMN crc INTEGER")
    connection.execute("ALTER TABLE outbox ADD COLUMN aside TEXT")
    connection.executemany("UPDATE outbox SET crc = ? WHERE seq = ?", sums)


def _columns_there(connection: sqlite3.Connection) -> set[str]:
    return {row[1] for row in connection.execute("PRAGMA table_info(outbox)")}


def _drop_nonsense(connection: sqlite3.Connection) -> None:
    """Delete what nobody can make sense of; rows of alerts are never deleted for that."""
    for table, sense in _SENSE.items():
        try:
            gone = connection.execute(f"DELETE FROM {table} WHERE ({sense}) IS NOT TRUE").rowcount  # noqa: S608  # our own
        except sqlite3.OperationalError as error:
            if is_taken(error) or "no such column" not in str(error):
                raise
            raise _damaged(str(error)) from error
        if gone > 0:
            _log.warning("the outbox was damaged: %d rows of %s cannot be understood and are left out", gone, table)


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
    """Return all rows that can be read, as far as that goes; those of the outbox even if they make no sense."""
    out: Rows = {table: [] for table in TABLES}
    with contextlib.suppress(sqlite3.Error):
        out["outbox"] = list(_outbox_rows(connection))
    for table, sense in _SENSE.items():
        with contextlib.suppress(sqlite3.Error):
            columns = ", ".join(_COLUMNS[table])
            for row in connection.execute(f"SELECT {columns} FROM {table} WHERE {sense} ORDER BY rowid"):  # noqa: S608  # our own names
                out[table].append(row)
    return out


def _outbox_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Yield the rows, one after the other: one that cannot be read does not hide those behind it."""
    there = _columns_there(connection)
    old = "crc" not in there
    columns = ", ".join(_FIRST_COLUMNS if old else _COLUMNS["outbox"])
    after, failed = 0, 0
    last = last_number(connection)
    while after < last and failed < _MOST_UNREADABLE:
        try:
            row = connection.execute(
                f"SELECT {columns} FROM outbox WHERE seq > ? ORDER BY seq LIMIT 1",  # noqa: S608  # our own names
                (after,),
            ).fetchone()
        except sqlite3.DatabaseError:
            after, failed = after + 1, failed + 1
            continue
        if row is None:
            return
        after, failed = row[0], 0
        yield _with_checksum(row) if old else row


def last_number(connection: sqlite3.Connection) -> int:
    """Return the highest number that an alert in this file has had."""
    for query in ("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'", "SELECT max(seq) FROM outbox"):
        with contextlib.suppress(sqlite3.Error):
            row = connection.execute(query).fetchone()
            if row is not None and isinstance(row[0], int):
                return row[0]
    return 0


def _with_checksum(row: Row) -> Row:
    _, topic, payload, rank, kind, _ = row
    sound = isinstance(topic, str) and isinstance(payload, bytes) and isinstance(kind, str) and rank in _RANKS
    return (*row, checksum(topic, payload, rank, kind) if sound else None, None)


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
            connection.text_factory = _text
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return rows(connection)
    return {table: [] for table in TABLES}


def fill(connection: sqlite3.Connection, content: Rows) -> None:
    """Replace everything in a database."""
    with transaction(connection):
        for table, its_rows in content.items():
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
            prepared: Callable[[Row], Row] = _storable if table == "outbox" else tuple
            for row in map(prepared, its_rows):
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608


def _storable(row: Row) -> Row:
    """Return a row that can be kept whatever was read of it; the checksum tells that it is damaged."""
    seq, topic, payload, rank, kind, aged_s, crc, aside = row
    return (
        seq,
        topic if isinstance(topic, str) else repr(topic),
        payload if isinstance(payload, bytes) else repr(payload).encode(),
        rank if rank in _RANKS else MOST_URGENT,
        kind if isinstance(kind, str) else repr(kind),
        aged_s if isinstance(aged_s, float) else 0.0,
        crc,
        aside,
    )


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
