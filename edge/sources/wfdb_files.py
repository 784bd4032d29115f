"""The files of a WFDB record: opened, checked and read frame by frame."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.wfdb_format.header import MAX_BYTES, Header, Signal, parse_header
from edge.wfdb_format.signals import BITS, decode_samples, no_value

MV_PER = {
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1.0),
    **dict.fromkeys(("uv", "µv", "μv", "microvolt", "microvolts"), 1e-3),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-6),
    **dict.fromkeys(("v", "volt", "volts"), 1e3),
}
"""mV per unit, of units in lower case; a signal in any other is no lead."""

ASSUMED_GAIN = 200.0
"""header(5): the gain to assume where it is zero or missing, ADC units per mV."""


def read_header(path: Path) -> Header:
    """Read a `.hea` file.

    Raises
    ------
    SourceError
        If it cannot be read or is not a WFDB header.
    """
    try:
        content = read_regular(path, MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read", "check the record's path") from error
    try:
        return parse_header(content)
    except ValueError as error:
        raise SourceError(str(path), f"header cannot be understood, {error}", "correct or fetch it again") from error


def mv_per_unit(signal: Signal) -> float:
    """Return mV per ADC unit."""
    return MV_PER[signal.units.lower()] / (signal.gain or ASSUMED_GAIN)


class StoredSignals:
    """Some signals of one record, read together.

    Parameters
    ----------
    folder : Path
        Where the record is.
    header : Header
        Its header.
    columns : sequence of int
        Signals to read; units in `MV_PER`, formats in `BITS`.
    per_frame : int
        Samples per frame to return; a signal that has fewer is held.

    Raises
    ------
    SourceError
        If a signal file is missing or no regular file.
    """

    def __init__(self, folder: Path, header: Header, columns: Sequence[int], per_frame: int) -> None:
        self._signals = [header.signals[i] for i in columns]
        self._per_frame = per_frame
        self._files: dict[str, _SignalFile] = {}
        self._slots: list[int] = []
        try:
            for i, signal in zip(columns, self._signals, strict=True):
                same = [j for j, other in enumerate(header.signals) if other.file == signal.file]
                self._slots.append(sum(header.signals[j].per_frame for j in same if j < i))
                if signal.file not in self._files:
                    beside = [header.signals[j] for j in same]
                    self._files[signal.file] = _SignalFile(folder, header.name, signal.file, beside)
        except SourceError:
            self.close()
            raise

    @property
    def n_frames(self) -> int:
        """Frames that are on disk in every file."""
        return min(file.n_frames for file in self._files.values())

    def shortest(self) -> str:
        """Return the name of the file that ends first."""
        return min(self._files, key=lambda name: self._files[name].n_frames)

    def read(self, start: int, n: int) -> NDArray[np.float32]:
        """Return frames `start` to `start + n`, fewer where a file ends.

        Returns
        -------
        float32 array, shape (frames * per_frame, n_columns)
            mV; NaN where there is no value.
        """
        n = max(min(n, self.n_frames - start), 0)
        mv = np.full((n * self._per_frame, len(self._signals)), np.nan, np.float32)
        frames: dict[tuple[str, int], NDArray[np.int32]] = {}
        for column, (signal, slot) in enumerate(zip(self._signals, self._slots, strict=True)):
            key = (signal.file, signal.skew)
            if key not in frames:
                frames[key] = self._files[signal.file].read(start + signal.skew, n)
            raw = frames[key][:, slot : slot + signal.per_frame].reshape(-1)
            values = (raw - np.float64(signal.baseline)) * np.float32(mv_per_unit(signal))
            values[raw == no_value(signal.fmt)] = np.nan
            values = np.repeat(values, self._per_frame // signal.per_frame)
            mv[: len(values), column] = values
        return mv

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


class _SignalFile:
    """One signal file: frames of interleaved ADC values."""

    def __init__(self, folder: Path, record: str, name: str, signals: Sequence[Signal]) -> None:
        self._fmt = signals[0].fmt
        self._per_frame = sum(signal.per_frame for signal in signals)
        self._offset = signals[0].offset
        self._file = _open_signal_file(folder, record, name)
        n_bytes = max(os.fstat(self._file.fileno()).st_size - self._offset, 0)
        self.n_frames = n_bytes * 8 // (BITS[self._fmt] * self._per_frame)

    def read(self, start: int, n: int) -> NDArray[np.int32]:
        """Return frames `start` to `start + n`, fewer where the file ends, shape (n, samples per frame)."""
        n = max(min(n, self.n_frames - start), 0)
        if not n:
            return np.zeros((0, self._per_frame), np.int32)
        first, last = start * self._per_frame, (start + n) * self._per_frame
        bits = BITS[self._fmt]
        # Two 12-bit samples share three bytes: begin with a whole pair.
        lead_in = first % 2 if self._fmt == 212 else 0
        self._file.seek(self._offset + (first - lead_in) * bits // 8)
        raw = self._file.read(-((lead_in + first - last) * bits // 8) + (3 if lead_in else 0))
        flat = decode_samples(raw, self._fmt)[lead_in : lead_in + last - first]
        return flat.reshape(-1, self._per_frame)

    def close(self) -> None:
        self._file.close()


def check_signal_file(folder: Path, record: str, name: str) -> None:
    """See to it that a signal file is there, in the record's folder, and a file.

    Raises
    ------
    SourceError
        If not.
    """
    _open_signal_file(folder, record, name).close()


def _open_signal_file(folder: Path, record: str, name: str) -> BinaryIO:
    if Path(name).name != name or "\0" in name:
        raise SourceError(record, f"signal file {name[:60]!r} is not in the record's folder")
    try:
        return _open_regular(folder / name)
    except OSError as error:
        reason = f"{'is missing' if isinstance(error, FileNotFoundError) else error.strerror}"
        raise SourceError(record, f"signal file {folder / name} {reason}", "fetch the whole record") from error


def read_regular(path: Path, most: int) -> bytes:
    """Return the first bytes of a file, at most so many; nothing is read of a pipe or a device.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file.
    """
    with _open_regular(path) as file:
        return file.read(most)


def _open_regular(path: Path) -> BinaryIO:
    """Open a file, but not what may never end or never begin: a pipe, a device."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "is no regular file")
    return path.open("rb")
