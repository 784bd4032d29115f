"""Arrays in files of NumPy and MATLAB: their rows or columns are leads; a rate is taken from a number of that name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.read_as import ReadAs
from edge.sources.table.forms import Column, Said
from edge.sources.table.recording import RowsRecording
from edge.sources.table.rows import Rows

SUFFIXES = frozenset({".npy", ".npz", ".mat"})

_MOST_VALUES = 400_000_000
_MOST_LEADS = 64
_RATES = frozenset(
    {"fs", "fs_hz", "samplingrate", "sampling_rate", "samplefrequency", "samplerate", "freq", "sfreq", "sr"}
)


def open_matrix(path: Path, read_as: ReadAs | None = None) -> RowsRecording:
    """Open an array of samples.

    Parameters
    ----------
    path : Path
        A `.npy`, `.npz` or `.mat` (to version 7) file.
    read_as : ReadAs, optional
        What the user says of it.

    Raises
    ------
    SourceError
        If there is no array of samples in it, or nothing says its rate.
    """
    try:
        arrays = _mat(path) if path.suffix.lower() == ".mat" else _numpy(path)
    except SourceError:
        raise
    except Exception as error:  # what is damaged fails in many ways
        raise SourceError(path.name, f"cannot be read ({type(error).__name__}: {error})", "save it again") from error
    name, values = _samples(path, arrays)
    rate = next((_number(a) for key, a in arrays.items() if key.lower() in _RATES and np.size(a) == 1), None)

    def read(n: int, as_text: Sequence[int]) -> Iterator[Rows]:  # noqa: ARG001  # nothing is written in words
        for start in range(0, len(values), n):
            yield Rows(values[start : start + n].astype(np.float64), {})

    columns = (Column(),) * values.shape[1]
    note = f"the array {name}" if len(arrays) > 1 else ""
    return RowsRecording(
        path, Said(columns=columns, fs_hz=rate, notes=(note,) if note else ()), read_as or ReadAs(), read
    )


def _numpy(path: Path) -> Mapping[str, NDArray[Any]]:
    if path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > 8 * _MOST_VALUES:
                raise SourceError(path.name, "holds more than a recording can", "give one array")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        # What is in it under another form comes as bytes.
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
    return {"array": np.load(path, mmap_mode="r", allow_pickle=False)}


def _mat(path: Path) -> Mapping[str, NDArray[Any]]:
    from scipy import io  # noqa: PLC0415  (takes a while to import)

    with path.open("rb") as file:
        if b"MATLAB 7.3" in file.read(128):
            raise SourceError(path.name, "is a MATLAB file of version 7.3", "save it with `save(..., '-v7')`")
    wanted = [name for name, shape, _ in io.whosmat(path) if 0 < np.prod(shape, dtype=np.float64) <= _MOST_VALUES]
    found = io.loadmat(path, variable_names=wanted, squeeze_me=False, chars_as_strings=True)
    return {name: value for name, value in found.items() if not name.startswith("__") and isinstance(value, np.ndarray)}


def _samples(path: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, NDArray[Any]]:
    """Return the largest array of numbers, one column per lead."""
    usable = {n: a for n, a in arrays.items() if a.dtype.kind in "iuf" and a.ndim in (1, 2) and a.size > 1}
    if not usable:
        what = ", ".join(f"{name}: {a.dtype} {a.shape}" for name, a in list(arrays.items())[:6]) or "nothing"
        raise SourceError(path.name, f"has no array of samples ({what})", "give numbers in one or two dimensions")
    name = max(usable, key=lambda n: usable[n].size)
    values = usable[name]
    values = values[:, None] if values.ndim == 1 else values
    values = values.T if values.shape[0] < values.shape[1] else values
    if values.shape[1] > _MOST_LEADS or values.size > _MOST_VALUES:
        raise SourceError(path.name, f"has the shape {values.shape}", f"{_MOST_LEADS} leads can be read at most")
    return name, values


def _number(value: NDArray[Any]) -> float | None:
    try:
        return float(value.reshape(-1)[0])
    except (TypeError, ValueError):
        return None
