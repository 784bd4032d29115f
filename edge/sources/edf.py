"""EDF, EDF+ and BDF: signals of several rates, annotations, holes between data records.

Format: Kemp et al. 1992, Kemp & Olivan 2003 (edfplus.info). Read record by record; a patient's name is never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError, one_line
from edge.messages import Gap, Samples, Stream
from edge.sources.array import check_rate
from edge.sources.read_as import ReadAs
from edge.sources.signal_kind import choose_leads, kind_of
from edge.sources.wfdb_files import MV_PER

SUFFIXES = frozenset({".edf", ".bdf", ".rec"})

_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_MOST_SIGNALS = 1024
_LOOK_S = 20.0
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_ANONYMOUS = "01.01.85"
_CLIPS = 85
"""Two digits of a year from here on are of the last century."""


class _Signal(msgspec.Struct, frozen=True):
    label: str
    unit: str
    gain: float
    offset: float
    low: float
    high: float
    n: int
    at: int  # first sample in a record


class _Header(msgspec.Struct, frozen=True):
    start: datetime | None
    n_bytes: int
    discontinuous: bool
    n_records: int
    record_s: float
    width: int
    signals: tuple[_Signal, ...]

    @property
    def samples(self) -> int:
        return sum(signal.n for signal in self.signals)


class EdfRecording:
    """Samples of an EDF or BDF file, leads in mV; what is no ECG is left out.

    Parameters
    ----------
    path : Path
        The file.
    read_as : ReadAs, optional
        What the user says of it: only which leads to read.

    Raises
    ------
    SourceError
        If it is no such file or has no ECG, with what it has.
    """

    def __init__(self, path: Path, read_as: ReadAs | None = None) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                header = self._header = _read_header(path.name, file)
        except OSError as error:
            raise SourceError(str(path), error.strerror or "cannot be read", "check the path") from error
        size = max(path.stat().st_size - header.n_bytes, 0)
        self._there = size // (header.samples * header.width)
        self._records = self._there if header.n_records < 0 else header.n_records
        if not self._there:
            raise SourceError(path.name, "has a header and no data", "fetch the file again")
        signals, notes = self._choose((read_as or ReadAs()).leads)
        most = self._most = max(signal.n for signal in signals)
        self._signals = [signal for signal in signals if most % signal.n == 0]
        fs_hz = most / header.record_s
        notes += [
            f"{s.label} is left out: it has {s.n / header.record_s:g} samples a second, other leads have {fs_hz:g}"
            for s in signals
            if most % s.n
        ]
        check_rate(path.name, fs_hz)
        if fs_hz > 1000:
            raise SourceError(path.name, f"has {fs_hz:g} samples a second", "1,000 can be used at most: resample it")
        self._starts = self._record_starts(fs_hz)
        limits = tuple((s.low, s.high) for s in self._signals)
        self._stream = Stream(
            name=path.stem,
            fs_hz=fs_hz,
            leads=_names(self._signals),
            start_time=header.start or datetime.now(UTC),
            range_mv=limits,
            n_samples=None if header.discontinuous else self._records * most,
            notes=tuple(notes),
            dated=header.start is not None,
        )

    @property
    def stream(self) -> Stream:
        """Rate, leads and start."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        """Yield blocks of at most `n` samples, and a gap where records do not follow each other.

        Raises
        ------
        SourceError
            If the file ends early; all that could be read has been yielded.
        """
        at, some = 0, max(n // self._most, 1)
        with self._path.open("rb") as file:
            for first, stop in self._runs():
                start = at if self._starts is None else max(int(self._starts[first]), at)
                if start > at:
                    yield Gap(decided=start, start=at, n=start - at)
                    at = start
                for record in range(first, stop, some):
                    mv = self._read(file, record, min(some, stop - record))
                    for i in range(0, len(mv), n):
                        yield Samples(start=at, mv=mv[i : i + n])
                        at += len(mv[i : i + n])
        if self._there < self._records:
            reason = f"ends after {self._there:,} of {self._records:,} data records"
            raise SourceError(self._path.name, reason, "what could be read was used; fetch the file again")

    def _runs(self) -> list[tuple[int, int]]:
        """Return the stretches of records that follow each other without a hole."""
        n = min(self._there, self._records)
        holes = [] if self._starts is None else (np.flatnonzero(np.diff(self._starts[:n]) > self._most) + 1).tolist()
        return list(pairwise([0, *holes, n]))

    def _read(self, file: BinaryIO, first: int, n: int) -> NDArray[np.float32]:
        raw = self._raw(file, first, n)
        mv = np.empty((n * self._most, len(self._signals)), np.float32)
        for column, signal in enumerate(self._signals):
            values = raw[:, signal.at : signal.at + signal.n] * signal.gain + signal.offset
            mv[:, column] = np.repeat(values.reshape(-1), self._most // signal.n)
        return mv

    def _raw(self, file: BinaryIO, first: int, n: int) -> NDArray[np.int32]:
        header = self._header
        size = header.samples * header.width
        file.seek(header.n_bytes + first * size)
        content = file.read(n * size)
        if header.width == 2:
            return np.frombuffer(content, "<i2").astype(np.int32).reshape(n, -1)
        three = np.frombuffer(content, np.uint8).reshape(-1, 3).astype(np.int32)
        values = three[:, 0] | three[:, 1] << 8 | three[:, 2] << 16
        return (values - ((values & 0x800000) << 1)).reshape(n, -1)

    def _choose(self, wanted: Sequence[str] | None) -> tuple[list[_Signal], list[str]]:
        signals = [s for s in self._header.signals if s.label not in _ANNOTATIONS]
        if not signals:
            raise SourceError(self._path.name, "has annotations only, no signals", "give the file with the ECG")
        there = [s for s in signals if s.unit.lower() in MV_PER and s.n]
        names = _names(there)
        if wanted is not None:
            places = {name.casefold(): s for name, s in zip(names, there, strict=True)}
            if missing := [name for name in wanted if name.casefold() not in places]:
                raise SourceError(self._path.name, f"has no lead {', '.join(missing)}", f"it has {', '.join(names)}")
            return [places[name.casefold()] for name in wanted], []
        with self._path.open("rb") as file:
            n = min(max(round(_LOOK_S / self._header.record_s), 1), self._there)
            raw = self._raw(file, 0, n)
        verdicts = [
            kind_of(name, s.unit, raw[:, s.at : s.at + s.n].reshape(-1) * s.gain, s.n / self._header.record_s)
            for name, s in zip(names, there, strict=True)
        ]
        columns, notes = choose_leads(names, verdicts)
        if not columns:
            what = "; ".join(f"{s.label} in {s.unit or 'no unit'}" for s in signals[:12])
            raise SourceError(self._path.name, f"has no ECG ({what})", "give a file with a lead in mV or µV")
        return [there[i] for i in columns[:32]], list(notes)

    def _record_starts(self, fs_hz: float) -> NDArray[np.int64] | None:
        """Return the first sample of each record of a file with holes; None of any other."""
        header = self._header
        marks = next((s for s in header.signals if s.label in _ANNOTATIONS), None)
        if not header.discontinuous or marks is None:
            return None
        starts = np.zeros(self._there, np.int64)
        first: float | None = None
        with self._path.open("rb") as file:
            for record in range(self._there):
                file.seek(header.n_bytes + (record * header.samples + marks.at) * header.width)
                found = re.match(rb"([-+]\d+(?:\.\d*)?)[\x14\x15]", file.read(min(marks.n * header.width, 64)))
                seconds = float(found[1]) if found else (record * header.record_s + (first or 0.0))
                first = seconds if first is None else first
                starts[record] = round((seconds - first) * fs_hz)
        return starts


def _names(signals: Sequence[_Signal]) -> tuple[str, ...]:
    """Return the leads' names: `ECG II` and `EKG II-Ref` are II."""
    names: list[str] = []
    for i, signal in enumerate(signals):
        bare = re.sub(r"(?i)^(ecg|ekg)[ _:-]+(?=\S)", "", signal.label)
        bare = re.sub(r"(?i)[ -]ref$", "", bare) or signal.label or f"signal{i + 1}"
        names.append(bare if bare not in names else f"{bare}#{i + 1}")
    return tuple(names)


def _read_header(name: str, file: BinaryIO) -> _Header:
    fixed = file.read(256)
    bdf = fixed[:8] == b"\xffBIOSEMI"
    if len(fixed) < 256 or not (bdf or fixed[:8].strip() in (b"0", b"0.0")):
        raise SourceError(name, "is no EDF or BDF file" if fixed else "is empty", "give a recording")
    text = fixed.decode("latin-1")
    try:
        n_bytes, reserved = int(text[184:192]), text[192:236]
        n_records, record_s, n_signals = int(text[236:244]), float(text[244:252]), int(text[252:256])
    except ValueError as error:
        raise SourceError(name, f"header cannot be understood ({error})", "correct or fetch it again") from error
    if not 0 < n_signals <= _MOST_SIGNALS:
        raise SourceError(name, f"header says {n_signals} signals", "correct or fetch it again")
    annotations_only = record_s == 0
    if not annotations_only and not 0 < record_s <= 1e5:
        raise SourceError(name, f"header says data records of {record_s:g} s", "correct or fetch it again")
    signals = _read_signals(name, file.read(256 * n_signals).decode("latin-1"), n_signals)
    if annotations_only and all(s.label in _ANNOTATIONS for s in signals):
        raise SourceError(name, "has annotations only, no signals", "give the file with the ECG")
    if annotations_only or not sum(s.n for s in signals) or n_bytes != 256 * (n_signals + 1):
        raise SourceError(name, "header contradicts itself", "correct or fetch it again")
    return _Header(
        start=_start(text[168:176], text[176:184], text[88:168]),
        n_bytes=n_bytes,
        discontinuous="+D" in reserved,
        n_records=n_records,
        record_s=record_s,
        width=3 if bdf else 2,
        signals=signals,
    )


def _read_signals(name: str, text: str, n: int) -> tuple[_Signal, ...]:
    if len(text) < 256 * n:
        raise SourceError(name, "ends within its header", "fetch the file again")
    columns, at = list[list[str]](), 0
    for width in _FIELDS:
        columns.append([one_line(text[at + i * width : at + (i + 1) * width]) for i in range(n)])
        at += width * n
    labels, _, units, p_min, p_max, d_min, d_max, _, counts, _ = columns
    out, first = list[_Signal](), 0
    for i in range(n):
        try:
            low, high, least, most = (float(c[i].replace(",", ".")) for c in (p_min, p_max, d_min, d_max))
            count = int(counts[i])
        except ValueError as error:
            raise SourceError(name, f"signal {labels[i]}: {error}", "correct the header") from error
        if count < 0 or count > 10_000_000 or not np.isfinite([low, high, least, most]).all():
            raise SourceError(name, f"signal {labels[i]} has {count} samples a record", "correct the header")
        per = MV_PER.get(units[i].lower(), 1.0)
        gain = (high - low) / (most - least) * per if most != least else per
        limits = sorted((low * per, high * per))
        out.append(_Signal(labels[i], units[i], gain, low * per - least * gain, limits[0], limits[1], count, first))
        first += count
    return tuple(out)


def _start(date: str, time: str, recording: str) -> datetime | None:
    """Return when it began; None where the file says it does not know."""
    found = re.match(r"(\d\d)[.:/-](\d\d)[.:/-](\d\d)", date)
    clock = re.match(r"(\d\d)[.:](\d\d)[.:](\d\d)", time)
    if found is None or clock is None or date == _ANONYMOUS:
        return None
    day, month, year = (int(part) for part in found.groups())
    year += 1900 if year >= _CLIPS else 2000
    if whole := re.match(r"Startdate \d\d-[A-Z]{3}-(\d{4})", recording):
        year = int(whole[1])
    try:
        hour, minute, second = (int(part) for part in clock.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
