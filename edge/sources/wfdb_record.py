"""A WFDB record as a stream of samples, read block by block.

The common storage formats (16, 24, 32, 61, 80, 160, 212) are decoded here, so that a replay starts at once and holds
a block at a time; any other is left to the wfdb package, which reads the whole record first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import platformdirs
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Samples, Stream
from edge.wfdb_format.header import Header, Signal, read_header

_MV_PER = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6, "v": 1e3}
_RAW_DTYPE: dict[int, np.dtype[Any]] = {
    16: np.dtype("<i2"),
    61: np.dtype(">i2"),
    32: np.dtype("<i4"),
    80: np.dtype("u1"),
    160: np.dtype("<u2"),
}
_OFFSET_BINARY = {80: 128, 160: 32768}
_BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12}
_MIN_FS_HZ, _MAX_FS_HZ = 100.0, 1000.0
_ASSUMED_GAIN = 200.0  # header(5): "if the gain is zero or missing", the value to assume


class WfdbRecord:
    """Samples of one record, leads in mV; other signals (pressure, respiration) are left out.

    Parameters
    ----------
    path : Path
        The record without extension.
    start_time : datetime, optional
        UTC time of sample 0; by default the header's, else now.

    Raises
    ------
    SourceError
        If the record is missing, or its rate, gain or leads cannot be used.
    """

    def __init__(self, path: Path, start_time: datetime | None = None) -> None:
        self._path = path
        self._header = read_header(path.with_name(path.name + ".hea"))
        _check_rate(path.name, self._header.fs_hz)
        self._whole: NDArray[np.float32] | None = None
        notes: list[str] = []
        if self._header.segmented or not all(s.plain and s.fmt in _BITS for s in self._header.signals):
            self._whole, leads, n_samples = _read_whole(path)
            range_mv = None
        else:
            self._columns = _usable_leads(path.name, self._header)
            signals = [self._header.signals[i] for i in self._columns]
            leads = _unique_names([s.description for s in signals])
            range_mv = _converter_range(signals)
            notes += [
                f"gain of lead {lead} is unknown, {_ASSUMED_GAIN:g} ADC units per mV assumed: correct the header"
                for lead, signal in zip(leads, signals, strict=True)
                if signal.gain == 0
            ]
            n_samples = self._header.n_samples or self._frames_on_disk(signals[0].file)
        self._stream = Stream(
            name=path.name,
            fs_hz=self._header.fs_hz,
            leads=leads,
            start_time=start_time or self._header.base_time or datetime.now(UTC),
            range_mv=range_mv,
            n_samples=n_samples,
            notes=tuple(notes),
        )

    @property
    def stream(self) -> Stream:
        """Rate, leads and start."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples]:
        """Yield the record in blocks of at most `n` samples.

        Raises
        ------
        SourceError
            If a signal file ends early or is missing; all that could be read has been yielded.
        """
        if self._whole is not None:
            for start in range(0, len(self._whole), n):
                yield Samples(start=start, mv=self._whole[start : start + n])
            return
        total = self._stream.n_samples or 0
        files = {self._header.signals[i].file for i in self._columns}
        readers = {file: _SignalFile(self._path.parent, file, self._header) for file in files}
        try:
            for start in range(0, total, n):
                wanted = min(n, total - start)
                adc = {file: reader.read(start, wanted) for file, reader in readers.items()}
                got = min(len(block) for block in adc.values())
                if got:
                    yield Samples(start=start, mv=self._to_mv(adc, got))
                if got < wanted:
                    short = min(adc, key=lambda file: len(adc[file]))
                    reason = f"{short} ends after {start + got:,} of {total:,} samples"
                    raise SourceError(self._path.name, reason, "what could be read was used; fetch the file again")
        finally:
            for reader in readers.values():
                reader.close()

    def _to_mv(self, adc: dict[str, NDArray[np.int32]], n: int) -> NDArray[np.float32]:
        mv = np.empty((n, len(self._columns)), np.float32)
        for out, i in enumerate(self._columns):
            signal = self._header.signals[i]
            column = [j for j, s in enumerate(self._header.signals) if s.file == signal.file].index(i)
            raw = adc[signal.file][:n, column]
            mv[:, out] = (raw - signal.baseline) * np.float32(_mv_per_unit(signal))
            invalid = raw == -(1 << (_BITS[signal.fmt] - 1))
            if signal.fmt not in _OFFSET_BINARY and invalid.any():
                mv[invalid, out] = np.nan
        return mv

    def _frames_on_disk(self, file: str) -> int:
        reader = _SignalFile(self._path.parent, file, self._header)
        reader.close()
        return reader.n_frames


class _SignalFile:
    """One signal file: frames of interleaved ADC values."""

    def __init__(self, folder: Path, name: str, header: Header) -> None:
        if Path(name).name != name:
            raise SourceError(header.name, f"signal file {name!r} is not in the record's folder")
        signals = [s for s in header.signals if s.file == name]
        self._fmt = signals[0].fmt
        self._n_signals = len(signals)
        self._offset = signals[0].offset
        path = folder / name
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            reason = f"signal file {path} {'is missing' if isinstance(error, FileNotFoundError) else error.strerror}"
            raise SourceError(header.name, reason, "fetch the whole record") from error
        n_bytes = max(path.stat().st_size - self._offset, 0)
        self.n_frames = n_bytes * 8 // (_BITS[self._fmt] * self._n_signals)

    def read(self, start: int, n: int) -> NDArray[np.int32]:
        """Return frames `start` to `start + n`, fewer where the file ends, shape (n, n_signals)."""
        n = max(min(n, self.n_frames - start), 0)
        first, last = start * self._n_signals, (start + n) * self._n_signals
        bits = _BITS[self._fmt]
        # Two 12-bit samples share three bytes: begin with a whole pair.
        lead_in = first % 2 if self._fmt == 212 else 0
        self._file.seek(self._offset + (first - lead_in) * bits // 8)
        raw = self._file.read(-((lead_in + first - last) * bits // 8) + (3 if lead_in else 0))
        flat = _decode(raw, self._fmt)[lead_in : lead_in + last - first]
        return flat.reshape(-1, self._n_signals)

    def close(self) -> None:
        self._file.close()


def _decode(raw: bytes, fmt: int) -> NDArray[np.int32]:
    """Turn the bytes of signal(5) formats into ADC values."""
    if fmt == 212:
        triples = np.frombuffer(raw + bytes(-len(raw) % 3), np.uint8).reshape(-1, 3).astype(np.int32)
        pairs = np.empty((len(triples), 2), np.int32)
        pairs[:, 0] = triples[:, 0] | (triples[:, 1] & 0x0F) << 8
        pairs[:, 1] = triples[:, 2] | (triples[:, 1] & 0xF0) << 4
        return (pairs.ravel() ^ 0x800) - 0x800
    if fmt == 24:
        triples = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int32)
        return ((triples[:, 0] | triples[:, 1] << 8 | triples[:, 2] << 16) ^ 0x800000) - 0x800000
    return np.frombuffer(raw, dtype=_RAW_DTYPE[fmt]).astype(np.int32) - _OFFSET_BINARY.get(fmt, 0)


def _check_rate(name: str, fs_hz: float) -> None:
    if not _MIN_FS_HZ <= fs_hz <= _MAX_FS_HZ:
        reason = f"its header says {fs_hz:g} samples a second"
        raise SourceError(name, reason, f"{_MIN_FS_HZ:g} to {_MAX_FS_HZ:g} can be used; correct the header or resample")


def _usable_leads(name: str, header: Header) -> list[int]:
    leads = [i for i, s in enumerate(header.signals) if s.units.lower() in _MV_PER and s.file != "~"]
    if not leads:
        units = ", ".join(sorted({s.units for s in header.signals})) or "no signals"
        raise SourceError(name, f"no usable lead (units: {units})", "give a record with a lead in mV")
    return leads


def _mv_per_unit(signal: Signal) -> float:
    return _MV_PER[signal.units.lower()] / (signal.gain or _ASSUMED_GAIN)


def _unique_names(descriptions: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for i, description in enumerate(descriptions):
        name = description or f"lead{i + 1}"
        names.append(name if name not in names else f"{name}#{i + 1}")
    return tuple(names)


def _converter_range(signals: Sequence[Signal]) -> tuple[tuple[float, float], ...] | None:
    # Some databases state fewer bits than their samples have (svdb says 10 and exceeds them): believe only a
    # resolution that about fills the storage.
    if not all(s.resolution_bits >= _BITS[s.fmt] - 1 for s in signals):
        return None
    half = [1 << (s.resolution_bits - 1) for s in signals]
    scale = [_mv_per_unit(s) for s in signals]
    return tuple(
        ((s.zero - h - s.baseline) * k, (s.zero + h - 1 - s.baseline) * k)
        for s, h, k in zip(signals, half, scale, strict=True)
    )


def _read_whole(path: Path) -> tuple[NDArray[np.float32], tuple[str, ...], int]:
    """Let the wfdb package read what is stored in an uncommon way."""
    import wfdb  # noqa: PLC0415  (takes a second to import)

    try:
        record = wfdb.rdrecord(str(path))
    except Exception as error:  # the package raises whatever its parser meets
        raise SourceError(path.name, f"cannot be read, {type(error).__name__}: {error}") from error
    columns = [i for i, unit in enumerate(record.units) if unit.lower() in _MV_PER]
    if not columns:
        raise SourceError(path.name, f"no usable lead (units: {', '.join(record.units)})", "give a lead in mV")
    scale = np.array([_MV_PER[record.units[i].lower()] for i in columns])
    mv = (record.p_signal[:, columns] * scale).astype(np.float32)
    return mv, _unique_names([record.sig_name[i] or "" for i in columns]), len(mv)


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
    given = Path(record.removesuffix(".hea"))
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


def open_record(record: str, data: Path | None = None, start_time: datetime | None = None) -> WfdbRecord:
    """Find a record as `find_record` does and open it."""
    return WfdbRecord(find_record(record, data), start_time)


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
