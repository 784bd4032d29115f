"""A table as a recording: read row by row, so that a day takes no more room than a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sources.array import MAX_FS_HZ, ArrayRecording
from edge.sources.read_as import ReadAs
from edge.sources.table.forms import Said, said_by
from edge.sources.table.meaning import meaning_of
from edge.sources.table.rows import Rows, read_rows
from edge.sources.table.text import read_layout
from edge.sources.table.times import in_seconds, missing_before

_LOOKED_AT = 20_000
"""Rows that rate, leads and units are found out from."""
_CHUNK = 100_000
_Last = tuple[float, float] | None
_MAX_GAP_S = 10 * 366 * 86_400.0


Read = Callable[[int, Sequence[int]], Iterator[Rows]]
"""Yields all rows, so many at a time, with some columns as they are written."""


def open_table(path: Path, read_as: ReadAs | None = None) -> RowsRecording:
    """Open a text file with samples in its rows.

    Parameters
    ----------
    path : Path
        The file.
    read_as : ReadAs, optional
        What the user says of it.

    Raises
    ------
    SourceError
        If no samples can be had from it, with what was understood and what is missing.
    """
    layout = read_layout(path)

    def read(n: int, as_text: Sequence[int]) -> Iterator[Rows]:
        return read_rows(path, layout, n, as_text)

    return RowsRecording(path, said_by(layout), read_as or ReadAs(), read)


class RowsRecording:
    """Samples in rows.

    Parameters
    ----------
    path : Path
        The file.
    said : Said
        What it says of itself.
    asked : ReadAs
        What the user says of it.
    read : Read
        Yields its rows.

    Raises
    ------
    SourceError
        If they are of no use, with what was understood and what is missing.
    """

    def __init__(self, path: Path, said: Said, asked: ReadAs, read: Read) -> None:
        self._path, self._rows = path, read
        head = next(iter(read(_LOOKED_AT, range(len(said.columns)))), None)
        if head is None or not len(head.numbers):
            raise SourceError(path.name, "has no rows of numbers", "give one column per lead")
        meaning = self._meaning = meaning_of(path, said, asked, head)
        self._stream = Stream(
            name=path.stem,
            fs_hz=meaning.fs_hz,
            leads=meaning.leads,
            start_time=meaning.start or datetime.now(UTC),
            notes=meaning.notes,
            dated=meaning.start is not None,
        )
        self._slow: ArrayRecording | None = None
        if meaning.fs_hz > MAX_FS_HZ:
            self._slow = self._slowed()
            self._stream = self._slow.stream

    @property
    def stream(self) -> Stream:
        """Rate, leads and start."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        """Yield the rows in blocks of at most `n` samples, and a gap where the time jumps.

        Raises
        ------
        SourceError
            If it cannot be read on.
        """
        yield from self._read(n) if self._slow is None else self._slow.blocks(n)

    def _read(self, n: int) -> Iterator[Samples | Gap]:
        meaning = self._meaning
        time = meaning.time
        as_text = (time.index,) if time is not None and time.kind in ("clock", "date") else ()
        at = 0
        last: _Last = None
        for rows in self._rows(_CHUNK, as_text):
            lost = np.zeros(len(rows.numbers), np.int64)
            if time is not None:
                lost, last = self._missing(rows, last)
            mv = ((rows.numbers[:, list(meaning.columns)] - meaning.zero) * meaning.mv).astype(np.float32)
            for start, stop in pairwise([0, *(np.flatnonzero(lost[1:]) + 1).tolist(), len(mv)]):
                if missing := int(lost[start]):
                    yield Gap(decided=at + missing, start=at, n=missing)
                    at += missing
                for part in range(start, stop, n):
                    block = mv[part : min(part + n, stop)]
                    yield Samples(start=at, mv=block)
                    at += len(block)

    def _missing(
        self, rows: Rows, last: tuple[float, float] | None
    ) -> tuple[NDArray[np.int64], tuple[float, float] | None]:
        """Return how many samples are missing before each row, and the times of the last two."""
        assert self._meaning.time is not None  # noqa: S101  # asked only then
        fs_hz = self._meaning.fs_hz
        seconds = in_seconds(self._meaning.time, rows)
        seconds = seconds / fs_hz if self._meaning.time.kind == "sample" else seconds
        lost = missing_before(seconds, last, fs_hz)
        if len(lost) and lost.max() > _MAX_GAP_S * fs_hz:
            raise SourceError(self._path.name, "its time jumps by more than ten years", "correct it")
        known = seconds[np.isfinite(seconds)]
        if not len(known):
            return lost, last
        return lost, (float(known[-2]) if len(known) > 1 else -np.inf, float(known[-1]))

    def _slowed(self) -> ArrayRecording:
        """Read all of a table that is faster than the stages can be given; what is missing stays so."""
        blocks = [(block.start, block.mv) for block in self._read(_CHUNK) if isinstance(block, Samples)]
        total, there = blocks[-1][0] + len(blocks[-1][1]), sum(len(mv) for _, mv in blocks)
        if total > 4 * there + 1_000_000:
            raise SourceError(self._path.name, "is mostly gaps", "give it in pieces")
        mv = np.full((total, len(self._meaning.columns)), np.nan, np.float32)
        for at, block in blocks:
            mv[at : at + len(block)] = block
        stream, start = self._stream, self._meaning.start
        return ArrayRecording(mv, stream.fs_hz, stream.leads, name=stream.name, start_time=start, notes=stream.notes)
