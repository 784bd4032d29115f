"""A WFDB record as a stream of samples, read block by block.

One record, or segments one after the other, each with the leads it has; several samples per frame; a signal stored late
or upside down. The common storage formats are read here, so that a replay starts at once and holds a block at a time;
any other is left to the wfdb package, which reads the whole record first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sources.signal_kind import choose_leads, kind_of
from edge.sources.wfdb_files import ASSUMED_GAIN, MV_PER, StoredSignals, mv_per_unit, read_header
from edge.wfdb_format.header import Header, Signal
from edge.wfdb_format.signals import BITS

_MIN_FS_HZ, _MAX_FS_HZ = 100.0, 1000.0
_LOOK_S = 20.0
"""So much of a signal is looked at where its name does not say what it is."""
_MAX_LEADS = 32
_MAX_S = 10 * 366 * 86_400.0
"""Longer than any recording; a header that says more is mistaken."""
_MAX_WHOLE = 200_000_000
"""Samples of a record that is read at once."""

Read = Callable[[], NDArray[np.floating[Any]]]


class _Piece:
    """A stretch of a record: the frames of one header, or frames that were not recorded."""

    def __init__(self, start: int, n: int, header: Header | None) -> None:
        self.start, self.n, self.header = start, n, header

    def columns(self, names: Sequence[str]) -> list[int | None]:
        """Return which signal each lead is here; None if it is not there."""
        header = self.header
        stored = {} if header is None else {n: i for i, n in enumerate(_names(header)) if header.signals[i].file != "~"}
        return [stored.get(name) for name in names]


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
        notes = list(header.notes)
        self._pieces = self._cut(header)
        stored = [piece.header for piece in self._pieces if piece.header is not None]
        range_mv: tuple[tuple[float, float], ...] | None = None
        self._per_frame = 1
        if any(s.fmt not in BITS for one in stored for s in one.signals if s.file != "~"):
            self._whole, names, told = _read_whole(path, header, leads)
            n_samples: int | None = len(self._whole)
            notes += told
        else:
            names, told = self._choose(header, stored, leads)
            signals = self._signals(names)
            names, signals, told_of_rates = self._at_one_rate(names, signals, header.fs_hz)
            notes += [*told, *told_of_rates]
            range_mv = _converter_range(signals) if len(stored) == 1 else None
            notes += [
                f"gain of lead {lead} is unknown, {ASSUMED_GAIN:g} ADC units per mV assumed: correct the header"
                for lead, signal in zip(names, signals, strict=True)
                if signal.gain == 0
            ]
            n_samples = self._length(header, names) * self._per_frame
        fs_hz = header.fs_hz * self._per_frame
        _check_rate(path.name, fs_hz)
        if (n_samples or 0) / fs_hz > _MAX_S:
            raise SourceError(path.name, f"says it lasts {(n_samples or 0) / fs_hz / 31_557_600:,.0f} years")
        self._names = names
        self._stream = Stream(
            name=path.name,
            fs_hz=fs_hz,
            leads=names,
            start_time=start_time or header.base_time or datetime.now(UTC),
            range_mv=range_mv,
            n_samples=n_samples,
            notes=tuple(notes),
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
        for piece in self._pieces:
            yield from self._read(piece, max(n // self._per_frame, 1))

    def _read(self, piece: _Piece, n: int) -> Iterator[Samples | Gap]:
        columns = piece.columns(self._names)
        here = [i for i, column in enumerate(columns) if column is not None]
        first, per = piece.start, self._per_frame
        if not here or piece.header is None:
            if piece.n:
                yield Gap(decided=(first + piece.n) * per, start=first * per, n=piece.n * per)
            return
        stored = StoredSignals(self._path.parent, piece.header, [c for c in columns if c is not None], per)
        try:
            for start in range(0, piece.n, n):
                wanted = min(n, piece.n - start)
                mv = stored.read(start, wanted)
                if len(mv):
                    every = np.full((len(mv), len(columns)), np.nan, np.float32)
                    every[:, here] = mv
                    yield Samples(start=(first + start) * per, mv=every)
                if len(mv) < wanted * per:
                    total = self._stream.n_samples or 0
                    reason = f"{stored.shortest()} ends after {(first + start) * per + len(mv):,} of {total:,} samples"
                    raise SourceError(self._path.name, reason, "what could be read was used; fetch the file again")
        finally:
            stored.close()

    def _cut(self, header: Header) -> list[_Piece]:
        """Return the stretches of a record; of one without segments there is one."""
        if not header.segments:
            return [_Piece(0, header.n_samples or 0, header)]
        pieces, start, read = list[_Piece](), 0, dict[str, Header]()
        for name, n in header.segments:
            part = None if name == "~" else read.get(name) or self._segment(name, header)
            if part is not None:
                read[name] = part
            pieces.append(_Piece(start, n, part))
            start += n
        if all(piece.header is None for piece in pieces):
            raise SourceError(self._path.name, "has no segment with signals")
        return pieces

    def _segment(self, name: str, header: Header) -> Header:
        if Path(name).name != name:
            raise SourceError(self._path.name, f"segment {name[:60]!r} is not in the record's folder")
        part = read_header(self._path.with_name(f"{name}.hea"))
        if part.segments:
            raise SourceError(self._path.name, f"segment {name} is made of segments itself", "name the parts instead")
        if part.signals and part.fs_hz != header.fs_hz:
            raise SourceError(self._path.name, f"segment {name} has {part.fs_hz:g} Hz, the record {header.fs_hz:g}")
        return part

    def _choose(
        self, header: Header, stored: Sequence[Header], wanted: Sequence[str] | None
    ) -> tuple[tuple[str, ...], list[str]]:
        """Return the names of the leads to read, in the order of the record, and what is to be said of the others."""
        described = [(n, s) for one in stored for n, s in zip(_names(one), one.signals, strict=True)]
        there = {name: s for name, s in reversed(described) if s.file != "~" and s.units.lower() in MV_PER}
        order = list(dict.fromkeys(name for name, _ in described if name in there))
        if not order:
            units = ", ".join(sorted({s.units for _, s in described})) or "no signals"
            raise SourceError(self._path.name, f"no usable lead (units: {units})", "give a record with a lead in mV")
        if wanted is not None:
            return _wanted(self._path.name, order, wanted), []
        look = [self._look(name, header.fs_hz) for name in order]
        return _ecg_among(self._path.name, order, [there[name].units for name in order], look)

    def _look(self, name: str, fs_hz: float) -> tuple[Read, float]:
        """Return what reads the beginning of a signal, and its rate."""
        part, column = self._stored(name)
        per_frame = part.signals[column].per_frame

        def read() -> NDArray[np.floating[Any]]:
            stored = StoredSignals(self._path.parent, part, [column], per_frame)
            try:
                return stored.read(0, round(_LOOK_S * fs_hz))[:, 0]
            finally:
                stored.close()

        return read, fs_hz * per_frame

    def _stored(self, name: str) -> tuple[Header, int]:
        """Return the first header that has a signal of this name, and which it is."""
        found = ((piece.header, piece.columns([name])[0]) for piece in self._pieces)
        return next((part, column) for part, column in found if part is not None and column is not None)

    def _signals(self, names: Sequence[str]) -> list[Signal]:
        """Return the first signal of each name."""
        return [part.signals[column] for part, column in map(self._stored, names)]

    def _at_one_rate(
        self, names: Sequence[str], signals: Sequence[Signal], fs_hz: float
    ) -> tuple[tuple[str, ...], list[Signal], list[str]]:
        """Leave out what cannot be brought to the rate of the fastest lead."""
        most = self._per_frame = max(signal.per_frame for signal in signals)
        kept = [(n, s) for n, s in zip(names, signals, strict=True) if most % s.per_frame == 0]
        notes = [
            f"{n} is left out: it has {fs_hz * s.per_frame:g} samples a second, other leads have {fs_hz * most:g}"
            for n, s in zip(names, signals, strict=True)
            if most % s.per_frame
        ]
        return tuple(n for n, _ in kept), [s for _, s in kept], notes

    def _length(self, header: Header, names: Sequence[str]) -> int:
        """Return how many frames there are: as the header says, or else as many as are on disk."""
        only = self._pieces[0]
        if header.segments or header.n_samples or only.header is None:
            return sum(piece.n for piece in self._pieces)
        columns = [c for c in only.columns(names) if c is not None]
        stored = StoredSignals(self._path.parent, only.header, columns, self._per_frame)
        only.n = stored.n_frames
        stored.close()
        return only.n


def _check_rate(name: str, fs_hz: float) -> None:
    if not _MIN_FS_HZ <= fs_hz <= _MAX_FS_HZ:
        reason = f"its header says {fs_hz:g} samples a second"
        raise SourceError(name, reason, f"{_MIN_FS_HZ:g} to {_MAX_FS_HZ:g} can be used; correct the header or resample")


def _wanted(record: str, names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    known = {name.casefold(): name for name in reversed(names)}
    if missing := [name for name in wanted if name.casefold() not in known]:
        raise SourceError(record, f"has no lead {', '.join(missing)}", f"it has {', '.join(names)}")
    return tuple(dict.fromkeys(known[name.casefold()] for name in wanted))


def _ecg_among(
    record: str, names: Sequence[str], units: Sequence[str], look: Sequence[tuple[Read, float]]
) -> tuple[tuple[str, ...], list[str]]:
    """Return those that are an ECG, and a line on each that is not."""
    nothing = np.zeros(0, np.float32)
    verdicts = []
    for name, unit, (read, fs_hz) in zip(names, units, look, strict=True):
        verdict = kind_of(name, unit, nothing, fs_hz)
        verdicts.append(kind_of(name, unit, read(), fs_hz) if verdict.kind == "unknown" else verdict)
    columns, notes = choose_leads(names, verdicts)
    if not columns:
        said = "; ".join(f"{name}: {verdict}" for name, verdict in zip(names, verdicts, strict=True))
        raise SourceError(record, f"no ECG among its signals ({said})", "give a record that has one")
    more = [f"{names[i]} is left out: {_MAX_LEADS} leads are read at most" for i in columns[_MAX_LEADS:]]
    return tuple(names[i] for i in columns[:_MAX_LEADS]), [*notes, *more]


def _names(header: Header) -> tuple[str, ...]:
    return _unique_names([signal.description for signal in header.signals])


def _unique_names(descriptions: Sequence[str]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for i, description in enumerate(descriptions):
        # What a header says goes to terminals and topics.
        name = " ".join("".join(c if c.isprintable() else " " for c in description).split()) or f"signal{i + 1}"
        names[name if name not in names else f"{name}#{i + 1}"] = None
    return tuple(names)


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


def _read_whole(
    path: Path, header: Header, wanted: Sequence[str] | None
) -> tuple[NDArray[np.float32], tuple[str, ...], list[str]]:
    """Let the wfdb package read what is stored in an uncommon way."""
    import wfdb  # noqa: PLC0415  (takes a second to import)

    if (header.n_samples or 0) * max(len(header.signals), 1) > _MAX_WHOLE:
        raise SourceError(path.name, "is too long for its storage format", "convert it to format 16 or 212")
    try:
        record = wfdb.rdrecord(str(path))
    except Exception as error:  # the package raises whatever its parser meets
        raise SourceError(path.name, f"cannot be read, {type(error).__name__}: {error}") from error
    columns = [i for i, unit in enumerate(record.units) if unit.lower() in MV_PER]
    if not columns:
        raise SourceError(path.name, f"no usable lead (units: {', '.join(record.units)})", "give a lead in mV")
    scale = np.array([MV_PER[record.units[i].lower()] for i in columns])
    mv = (record.p_signal[:, columns] * scale).astype(np.float32)
    names = _unique_names([record.sig_name[i] or "" for i in columns])
    if wanted is not None:
        chosen, notes = _wanted(path.name, names, wanted), list[str]()
    else:
        n = round(_LOOK_S * header.fs_hz)
        look: list[tuple[Read, float]] = [(_column(mv[:n], i), header.fs_hz) for i in range(len(columns))]
        chosen, notes = _ecg_among(path.name, names, ["mV"] * len(names), look)
    return np.ascontiguousarray(mv[:, [names.index(name) for name in chosen]]), chosen, notes


def _column(mv: NDArray[np.float32], i: int) -> Read:
    return lambda: mv[:, i]


def find_record(record: str, data: Path | None = None) -> Path:
    """Find a record by path, or a MIT-BIH record by name.

    Parameters
    ----------
    record : str
        Path without extension, or a name looked up in `data`, `$ECG_EDGE_DATA/mitdb` and the cache, and downloaded
        from PhysioNet into the cache if it is in none of them.
    data : Path, optional
        Folder to look in first.

    Returns
    -------
    Path
        The record's path without extension.

    Raises
    ------
    SourceError
        If there is no such record anywhere.
    """
    given = _plain_path(record)
    places = [given] if data is None or given.is_absolute() else [data / given, given]
    is_name = given.name == str(given) and given.name not in ("", ".", "..")
    if is_name:
        root = os.environ.get("ECG_EDGE_DATA")
        places += [Path(root) / "mitdb" / given] if root else []
        places += [_cache() / "mitdb" / given]
    for place in places:
        if place.with_name(place.name + ".hea").is_file():
            return place
    looked = ", ".join(str(place.parent) for place in places)
    if is_name and given.name.isdigit() and len(given.name) == 3:
        return _download(given.name, looked)
    raise SourceError(record, f"no such record (looked in {looked})", "give its path without extension, or --data DIR")


def open_record(
    record: str,
    data: Path | None = None,
    start_time: datetime | None = None,
    leads: Sequence[str] | None = None,
) -> WfdbRecord:
    """Find a record as `find_record` does and open it; see `WfdbRecord`."""
    return WfdbRecord(find_record(record, data), start_time, leads)


_PARTS = (".hea", ".dat", ".atr", ".edge")
_OTHERS = {
    "edf": "an EDF file",
    "bdf": "a BDF file",
    "csv": "a table",
    "tsv": "a table",
    "txt": "a text",
    "parquet": "a table",
    "mat": "a MATLAB file",
    "xml": "an XML file",
    "dcm": "a DICOM file",
    "zip": "an archive",
    "gz": "an archive",
    "tar": "an archive",
    "png": "a picture",
    "jpg": "a picture",
    "jpeg": "a picture",
    "tif": "a picture",
    "tiff": "a picture",
    "pdf": "a document",
}


def _plain_path(record: str) -> Path:
    """Return a record's path without extension; raise if what is named is something else."""
    if not Path(record).name or "\0" in record:
        raise SourceError(repr(record), "is no name of a record", "give its path without extension")
    given = Path(record).expanduser()
    if given.suffix in _PARTS and given.with_suffix(".hea").is_file():
        return given.with_suffix("")
    if given.is_dir() and not given.with_name(given.name + ".hea").is_file():
        found = sorted(path.stem for path in given.glob("*.hea"))
        fix = f"it holds {len(found)} records; one is {given / found[0]}" if found else "give a record's path"
        raise SourceError(record, "is a folder", fix)
    what = _OTHERS.get(given.suffix.removeprefix(".").lower())
    if what is not None and given.exists():
        raise SourceError(record, f"is {what}, not a WFDB record", "give a record: a .hea file and its signals")
    return Path(re.sub(r"\.hea$", "", str(given)))


def _cache() -> Path:
    return platformdirs.user_cache_path("ecg-edge")


def _download(name: str, looked: str) -> Path:
    import wfdb  # noqa: PLC0415  (takes a second to import)

    folder = _cache() / "mitdb"
    try:
        wfdb.dl_database("mitdb", str(folder), records=[name], annotators=["atr"])
    except Exception as error:  # no network, no such record, a proxy's page: all the same to the user
        reason = f"not in {looked}, and PhysioNet could not be reached ({type(error).__name__})"
        raise SourceError(name, reason, "give --data DIR or set ECG_EDGE_DATA") from error
    return folder / name
