"""The folder that a bulk re-analysis writes: tables in parts, each whole or not there, so that a run can go on.

A part holds the rows of so many records, in the order of the list. Its summary is put in its place last; a part whose
summary is there, made of the same records, is done. The same list, models and rules lead to the same bytes, whoever did
the work and however often it was stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from edge.fleet.errors import FleetError
from edge.fleet.record import Result, Task
from edge.fleet.schema import SCHEMA, TABLES

ABOUT = "run.json"
_LOCK = ".lock"
_DIGEST = b"ecg_edge_records"
_FAILED = b"ecg_edge_failed"
_FLUSH_ROWS = 100_000
"""A row group is written once so many rows wait."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: what the tables beside it were made by."""

    schema: int = SCHEMA
    records_a_part: int
    task: Task


class Output:
    """The folder, held by one run at a time.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    about : About
        What the tables are made by.

    Raises
    ------
    FleetError
        If it holds something else, or results made otherwise, or another run has it.
    """

    def __init__(self, folder: Path, about: About) -> None:
        self.folder, self.about = folder, about
        try:
            self._begin()
        except OSError as error:
            raise _unwritable(folder, error) from error

    def _begin(self) -> None:
        there = self.folder / ABOUT
        if self.folder.is_dir() and not there.is_file() and any(each.name != _LOCK for each in self.folder.iterdir()):
            raise FleetError(str(self.folder), "holds something else already", "give --out a folder of its own")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise FleetError(str(self.folder), "another run writes there", "wait for it, or give another") from error
        if there.is_file():
            self._check(there)
        else:
            _put(there, msgspec.json.format(msgspec.json.encode(self.about), indent=2) + b"\n")
        for table in TABLES:
            (self.folder / table).mkdir(exist_ok=True)
            for left in (self.folder / table).glob(".*.writing"):
                left.unlink()

    def _check(self, there: Path) -> None:
        fix = "give another folder, or take this one away"
        try:
            before = msgspec.json.decode(there.read_bytes())
        except msgspec.DecodeError as error:
            raise FleetError(str(there), "is damaged", fix) from error
        now = msgspec.json.decode(msgspec.json.encode(self.about))
        if before != now:
            names = ", ".join(_differences(before, now))
            raise FleetError(str(self.folder), f"holds results made otherwise: {names} differ", fix)

    def parts_beyond(self, n: int) -> int:
        """Return how many parts there are that a list of `n` parts does not have."""
        return sum(int(path.stem.removeprefix("part-")) >= n for path in self._summaries())

    def failed(self) -> int:
        """Return how many records of all parts failed."""
        return sum(int(_metadata(path).get(_FAILED, b"0")) for path in self._summaries())

    def is_done(self, number: int, records: Sequence[str], *, retry: bool = False) -> bool:
        """Return whether a part has the rows of these records; with `retry`, not if one of them failed."""
        path = self.path("summary", number)
        if not path.is_file():
            return False
        metadata = _metadata(path)
        if retry and int(metadata.get(_FAILED, b"0")):
            return False
        return metadata.get(_DIGEST) == _digest(records)

    def path(self, table: str, number: int) -> Path:
        """Return the file of one part of a table."""
        return self.folder / table / f"part-{number:06d}.parquet"

    @contextmanager
    def part(self, number: int, records: Sequence[str]) -> Iterator[Part]:
        """Write a part; it is there, whole, if the block ends without an error.

        Raises
        ------
        FleetError
            If it cannot be written.
        """
        part = Part(self, number, _digest(records))
        try:
            yield part
            part.finish()
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            part.discard()

    def annotate(self, place: str, content: bytes) -> None:
        """Write the annotation file of a record, below `annotations`.

        Raises
        ------
        FleetError
            If it cannot be written.
        """
        path = self.folder / "annotations" / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _put(path, content)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def close(self) -> None:
        """Let another run have the folder."""
        self._lock.close()

    def _summaries(self) -> Iterator[Path]:
        return (self.folder / "summary").glob("part-*.parquet")


class Part:
    """The rows of some records on their way to the disk."""

    def __init__(self, output: Output, number: int, digest: bytes) -> None:
        self._paths = {table: output.path(table, number) for table in TABLES}
        self._digest = digest
        self._failed = 0
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, list[pa.RecordBatch]] = {table: [] for table in TABLES}

    def add(self, result: Result) -> None:
        """Take in the rows of the next record."""
        self._failed += result.status == "failed"
        for table, rows in result.tables.items():
            waiting = self._waiting[table]
            waiting.append(rows)
            if sum(each.num_rows for each in waiting) >= _FLUSH_ROWS:
                self._flush(table)

    def finish(self) -> None:
        """Put all in its place, the summary last."""
        self._writer("summary").add_key_value_metadata({_DIGEST: self._digest, _FAILED: str(self._failed)})
        for table, path in self._paths.items():
            self._flush(table)
            self._writer(table).close()
            with _temporary(path).open("rb") as file:
                os.fsync(file.fileno())
        # An older part of other records is not whole from here on.
        self._paths["summary"].unlink(missing_ok=True)
        for path in self._paths.values():
            _temporary(path).replace(path)
        self._writers.clear()

    def discard(self) -> None:
        """Forget what is not in its place."""
        for table, writer in self._writers.items():
            with suppress(OSError, pa.ArrowException):
                writer.close()
            _temporary(self._paths[table]).unlink(missing_ok=True)

    def _flush(self, table: str) -> None:
        if self._waiting[table]:
            self._writer(table).write_table(pa.Table.from_batches(self._waiting[table]))
            self._waiting[table] = []

    def _writer(self, table: str) -> pq.ParquetWriter:
        if table not in self._writers:
            path = _temporary(self._paths[table])
            self._writers[table] = pq.ParquetWriter(path, TABLES[table], compression="zstd")
        return self._writers[table]


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.writing")


def _put(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = _temporary(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _digest(records: Sequence[str]) -> bytes:
    return hashlib.sha256("\n".join(records).encode(errors="surrogateescape")).hexdigest().encode()


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return dict(pq.read_metadata(path).metadata or {})
    except (OSError, pa.ArrowException):
        return {}


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Return the dotted names of what differs."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [each for key in keys for each in _differences(before.get(key), now.get(key), f"{name}.{key}")]
    return [] if before == now else [name.removeprefix(".").removeprefix("task.")]


def _unwritable(folder: Path, error: OSError) -> FleetError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return FleetError(str(folder), f"cannot be written, {reason}", "mend that, and run the same command again")
