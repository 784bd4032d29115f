"""A WFDB record as a stream of samples, read block by block.

One record, or segments one after the other, each with the leads it has; several samples per frame; a signal stored late
or upside down. The common storage formats are read here, so that a replay starts at once and holds a block at a time;
any other is left to the wfdb package, which reads the whole record first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sources.wfdb_files import ASSUMED_GAIN, MV_PER, StoredSignals, mv_per_unit, read_header
from edge.sources.wfdb_leads import LOOK_S, Candidate, choose, few
from edge.sources.wfdb_lookup import find_record
from edge.sources.wfdb_pieces import Piece, Signals, cut
from edge.sources.wfdb_whole import is_known, read_whole
from edge.wfdb_format.header import Header, Signal
from edge.wfdb_format.signals import BITS

_MIN_FS_HZ, _MAX_FS_HZ = 100.0, 1000.0
_MAX_S = 10 * 366 * 86_400.0
"""Longer than any recording; a header that says more is mistaken."""


class WfdbRecord:
    """Samples of one record, leads in mV; what is no ECG (pressure, respiration) is left out.

    Parameters
    ----------
    path : Path
        The record without extension.
    start_time : datetime, optional
        UTC time of sample 0; by default the header's, else now.
    leads : sequence of str, optional
        The leads to read, by name; by default what is an ECG.

    Raises
    ------
    SourceError
        If the record is missing, or its rate, gain or leads cannot be used.
    """

    def __init__(self, path: Path, start_time: datetime | None = None, leads: Sequence[str] | None = None) -> None:
        self._path = path
        header = read_header(path.with_name(path.name + ".hea"))
        self._whole: NDArray[np.float32] | None = None
        self._pieces = cut(path, header)
        self._signals = Signals(self._pieces)
        self._per_frame = 1
        self._range_mv: tuple[tuple[float, float], ...] | None = None
        parts = list({id(piece.header): piece.header for piece in self._pieces if piece.header is not None}.values())
        formats = {signal.fmt for part in parts for signal in part.signals if signal.file != "~"}
        if unknown := [fmt for fmt in formats if fmt not in BITS and not is_known(fmt)]:
            raise SourceError(path.name, f"storage format {unknown[0]} is unknown", "correct the header")
        if formats <= set(BITS):
            names, notes = self._choose(header, leads)
            n_samples = self._length(header, names) * self._per_frame
        else:
            self._whole, names, notes = read_whole(path, header, parts, leads)
            n_samples = len(self._whole)
        fs_hz = header.fs_hz * self._per_frame
        _check_rate(path.name, fs_hz)
        if n_samples / fs_hz > _MAX_S:
            raise SourceError(path.name, f"says it lasts {n_samples / fs_hz / 31_557_600:,.0f} years")
        self._names = names
        self._stream = Stream(
            name=path.name,
            fs_hz=fs_hz,
            leads=names,
            start_time=start_time or header.base_time or datetime.now(UTC),
            range_mv=self._range_mv,
            n_samples=n_samples,
            notes=(*header.notes, *notes),
            lead_off_detection=header.lead_off_detection,
            dated=start_time is not None or header.base_time is not None,
        )

    @property
    def stream(self) -> Stream:
        """Rate, leads and start."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        """Yield the record in blocks of at most `n` samples, and a gap where nothing was recorded.

        Raises
        ------
        SourceError
            If a signal file ends early or is missing; all that could be read has been yielded.
        """
        if self._whole is not None:
            for start in range(0, len(self._whole), n):
                yield Samples(start=start, mv=self._whole[start : start + n])
            return
        # A record may be cut into thousands of segments of a few samples.
        yield from _joined((message for piece in self._pieces for message in self._read(piece, n)), n)

    def _read(self, piece: Piece, n: int) -> Iterator[Samples | Gap]:
        header, per = piece.header, self._per_frame
        columns = [None] if header is None else self._signals.columns(header, self._names)
        here = [i for i, column in enumerate(columns) if column is not None]
        if not here or header is None:
            if piece.n:
                end = piece.start + piece.n
                yield Gap(decided=end * per, start=piece.start * per, n=piece.n * per)
            return
        stored = StoredSignals(self._path.parent, header, [c for c in columns if c is not None], per)
        try:
            n_frames = max(n // per, 1)
            for start in range(0, piece.n, n_frames):
                wanted = min(n_frames, piece.n - start)
                mv = stored.read(start, wanted)
                first = (piece.start + start) * per
                if len(mv):
                    every = np.full((len(mv), len(columns)), np.nan, np.float32)
                    every[:, here] = mv
                    yield Samples(start=first, mv=every)
                if len(mv) < wanted * per:
                    total = self._stream.n_samples or 0
                    reason = f"{stored.shortest()} ends after {first + len(mv):,} of {total:,} samples"
                    raise SourceError(self._path.name, reason, "what could be read was used; fetch the file again")
        finally:
            stored.close()

    def _choose(self, header: Header, wanted: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
        """Return the names of the leads to read, and what is to be said."""
        candidates = [self._candidate(name, header.fs_hz) for name in self._signals.names]
        chosen, notes = choose(self._path.name, candidates, wanted)
        names, told = self._at_one_rate(chosen, header.fs_hz)
        signals = [self._signals.described(name) for name in names]
        if not header.segments:
            self._range_mv = _converter_range(signals)
        if unknown := [name for name, signal in zip(names, signals, strict=True) if signal.gain == 0]:
            what = f"lead {unknown[0]} is" if len(unknown) == 1 else f"leads {', '.join(unknown)} is"
            told.append(f"gain of {what} unknown, {ASSUMED_GAIN:g} ADC units per mV assumed: correct the header")
        return names, [*notes, *told]

    def _candidate(self, name: str, fs_hz: float) -> Candidate:
        part, column = self._signals.first(name)
        signal = part.signals[column]

        def read() -> NDArray[np.floating[Any]]:
            stored = StoredSignals(self._path.parent, part, [column], signal.per_frame)
            try:
                return stored.read(0, round(LOOK_S * fs_hz))[:, 0]
            finally:
                stored.close()

        mv = mv_per_unit(signal) if signal.units.lower() in MV_PER else None
        return Candidate(name=name, unit=signal.units, mv=mv, fs_hz=fs_hz * signal.per_frame, read=read)

    def _at_one_rate(self, names: Sequence[str], fs_hz: float) -> tuple[tuple[str, ...], list[str]]:
        """Leave out what cannot be brought to the rate of the fastest lead."""
        per = {name: self._signals.described(name).per_frame for name in names}
        most = self._per_frame = max(per.values())
        notes = [
            f"{name} is left out: it has {fs_hz * n:g} samples a second, other leads have {fs_hz * most:g}"
            for name, n in per.items()
            if most % n
        ]
        return tuple(name for name, n in per.items() if most % n == 0), few(notes, "signals are left out")

    def _length(self, header: Header, names: Sequence[str]) -> int:
        """Return how many frames there are: as the header says, or else as many as are on disk."""
        only = self._pieces[0]
        if header.segments or header.n_samples or only.header is None:
            return sum(piece.n for piece in self._pieces)
        columns = [c for c in self._signals.columns(only.header, names) if c is not None]
        stored = StoredSignals(self._path.parent, only.header, columns, self._per_frame)
        only.n = stored.n_frames
        stored.close()
        return only.n


def open_record(
    record: str,
    data: Path | None = None,
    start_time: datetime | None = None,
    leads: Sequence[str] | None = None,
) -> WfdbRecord:
    """Find a record as `edge.sources.wfdb_lookup.find_record` does and open it; see `WfdbRecord`."""
    return WfdbRecord(find_record(record, data), start_time, leads)


def _joined(messages: Iterator[Samples | Gap], n: int) -> Iterator[Samples | Gap]:
    """Join blocks that follow each other, as long as they have no more than `n` samples together."""
    held: list[Samples] = []
    try:
        for message in messages:
            if held and (isinstance(message, Gap) or message.end - held[0].start > n):
                yield _as_one(held)
                held = []
            if isinstance(message, Gap):
                yield message
            else:
                held.append(message)
    except SourceError:
        if held:
            yield _as_one(held)
        raise
    if held:
        yield _as_one(held)


def _as_one(blocks: Sequence[Samples]) -> Samples:
    return blocks[0] if len(blocks) == 1 else Samples(start=blocks[0].start, mv=np.concatenate([b.mv for b in blocks]))


def _check_rate(name: str, fs_hz: float) -> None:
    if not _MIN_FS_HZ <= fs_hz <= _MAX_FS_HZ:
        reason = f"its header says {fs_hz:g} samples a second"
        raise SourceError(name, reason, f"{_MIN_FS_HZ:g} to {_MAX_FS_HZ:g} can be used; correct the header or resample")


def _converter_range(signals: Sequence[Signal]) -> tuple[tuple[float, float], ...] | None:
    # Some databases state fewer bits than their samples have (svdb says 10 and exceeds them): believe only a
    # resolution that about fills the storage.
    if not all(BITS[s.fmt] >= s.resolution_bits >= BITS[s.fmt] - 1 for s in signals):
        return None
    half = [1 << (s.resolution_bits - 1) for s in signals]
    ends = [
        sorted(((s.zero - h - s.baseline) * mv_per_unit(s), (s.zero + h - 1 - s.baseline) * mv_per_unit(s)))
        for s, h in zip(signals, half, strict=True)
    ]
    return tuple((low, high) for low, high in ends)
