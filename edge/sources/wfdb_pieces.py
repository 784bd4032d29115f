"""The stretches a WFDB record is made of: one, or segments one after the other, each with the signals it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.errors import SourceError
from edge.sources.wfdb_files import read_header
from edge.wfdb_format.header import Header, Signal


class Piece:
    """A stretch of a record.

    Attributes
    ----------
    start, n : int
        First frame and how many.
    header : Header or None
        What describes it; None where nothing was recorded.
    """

    def __init__(self, start: int, n: int, header: Header | None) -> None:
        self.start, self.n, self.header = start, n, header


def cut(path: Path, header: Header) -> list[Piece]:
    """Return the stretches of a record; of one without segments there is one.

    Parameters
    ----------
    path : Path
        The record without extension.
    header : Header
        Its header.

    Raises
    ------
    SourceError
        If a segment is missing, is made of segments itself or has another rate, or if none has signals.
    """
    if not header.segments:
        return [Piece(0, header.n_samples or 0, header)]
    pieces, start, read = list[Piece](), 0, dict[str, Header]()
    for name, n in header.segments:
        part = None if name == "~" else read.get(name) or _segment(path, name, header)
        if part is not None:
            read[name] = part
        pieces.append(Piece(start, n, part))
        start += n
    if not read:
        raise SourceError(path.name, "has no segment with signals")
    return pieces


def _segment(path: Path, name: str, header: Header) -> Header:
    if Path(name).name != name:
        raise SourceError(path.name, f"segment {name[:60]!r} is not in the record's folder")
    part = read_header(path.with_name(f"{name}.hea"))
    if part.segments:
        raise SourceError(path.name, f"segment {name} is made of segments itself", "name the parts instead")
    if part.signals and part.fs_hz != header.fs_hz:
        raise SourceError(path.name, f"segment {name} has {part.fs_hz:g} Hz, the record {header.fs_hz:g}")
    return part


def stored_signals(header: Header) -> dict[str, int]:
    """Return which signal each name is, of those that are stored."""
    names = signal_names([signal.description for signal in header.signals])
    return {name: i for i, name in enumerate(names) if header.signals[i].file != "~"}


def signal_names(descriptions: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each signal, each another one, with nothing in it that does anything to a terminal."""
    names: dict[str, None] = {}
    for i, description in enumerate(descriptions):
        name = " ".join("".join(c if c.isprintable() else " " for c in description).split()) or f"signal{i + 1}"
        names[name if name not in names else f"{name}#{i + 1}"] = None
    return tuple(names)


class Signals:
    """All signals of a record by name, in the order of the first header that has each.

    Parameters
    ----------
    pieces : sequence of Piece
        The record's.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        headers = {id(piece.header): piece.header for piece in pieces if piece.header is not None}
        self._columns = {key: stored_signals(header) for key, header in headers.items()}
        self._first: dict[str, tuple[Header, int]] = {}
        for key, header in headers.items():
            for name, column in self._columns[key].items():
                self._first.setdefault(name, (header, column))

    @property
    def names(self) -> tuple[str, ...]:
        """Names, each once."""
        return tuple(self._first)

    def first(self, name: str) -> tuple[Header, int]:
        """Return the first header that has a signal, and which it is there."""
        return self._first[name]

    def described(self, name: str) -> Signal:
        """Return the first description of a signal."""
        header, column = self._first[name]
        return header.signals[column]

    def columns(self, header: Header, names: Sequence[str]) -> list[int | None]:
        """Return which signal each name is in a header of the record; None if it is not there."""
        there = self._columns[id(header)]
        return [there.get(name) for name in names]
