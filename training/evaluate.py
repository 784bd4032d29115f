"""Scores annotation files that `ecg-edge replay --annotations` wrote against a database's reference annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.wfdb_files import read_header, read_regular
from edge.wfdb_format.annotations import Annotations, decode_annotations
from training import ec57
from training.report import NAN, RecordScore, Report, render
from training.splits import DS1, DS2, PACED, svdb_unseen

__all__ = [
    "Report",
    "beats_of",
    "evaluate",
    "read_annotations",
    "read_both",
    "read_file",
    "record_names",
    "render",
]


_MAX_BYTES = 1 << 28
"""Of an annotation file; two months of beats have less."""


def evaluate(
    annotations: Path,
    data: Path,
    records: Sequence[str],
    extension: str = "edge",
    without: Sequence[str] = (),
) -> Report:
    """Score annotation files against the reference.

    Parameters
    ----------
    annotations : Path
        Folder of ``RECORD.extension``.
    data : Path
        Folder of the database: ``RECORD.hea`` and ``RECORD.atr``.
    records : sequence of str
        Record names or sets, see `record_names`.
    extension : str
        Of the annotation files.
    without : sequence of str
        Records to leave out in a second set of class figures.

    Returns
    -------
    Report

    Raises
    ------
    SourceError
        If a file is missing, broken, or belongs to another record.
    """
    names = record_names(records, data)
    for name in without:
        if name not in names:
            raise SourceError(name, "is to be left out but is not among the records")
    scores = tuple(_score(name, annotations / f"{name}.{extension}", data) for name in names)
    return Report(records=scores, without=tuple(without))


def record_names(records: Sequence[str], data: Path) -> tuple[str, ...]:
    """Return record names, each once, with record sets spelt out.

    Parameters
    ----------
    records : sequence of str
        Record names, or ``ds1``, ``ds2``, ``paced``, ``all`` (every annotated record in `data`), ``svdb`` (those of the
        supraventricular database that no model has learnt from).
    data : Path
        Folder of the database.

    Raises
    ------
    SourceError
        If there are none.
    """
    sets: dict[str, Callable[[], tuple[str, ...]]] = {
        "ds1": lambda: DS1,
        "ds2": lambda: DS2,
        "paced": lambda: PACED,
        "all": lambda: _annotated(data),
        "svdb": lambda: svdb_unseen(_annotated(data)),
    }
    names: dict[str, None] = {}
    for entry in records:
        names |= dict.fromkeys(sets[entry.lower()]() if entry.lower() in sets else (entry,))
    if not names:
        raise SourceError(str(data), "has no annotated records to score", "give --data the database's folder")
    return tuple(names)


Annotated = tuple[NDArray[np.int64], list[str]]
"""Samples and symbols."""


def read_annotations(path: Path, fs_hz: float | None = None) -> Annotated:
    """Read a WFDB annotation file, checking that it is whole and in order of time.

    Parameters
    ----------
    path : Path
        With its extension.
    fs_hz : float, optional
        Frames per second of the record, to count at; by default samples are as the file has them.

    Raises
    ------
    SourceError
        If it is missing or broken.
    """
    annotations = read_file(path)
    return annotations.samples if fs_hz is None else annotations.at(fs_hz, fs_hz), annotations.symbols


def read_file(path: Path) -> Annotations:
    """Read a WFDB annotation file with its notes, checking that it is whole and in order of time.

    Raises
    ------
    SourceError
        If it is missing or broken.
    """
    fix = "write or fetch it again"
    try:
        annotations = decode_annotations(read_regular(path, _MAX_BYTES))
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read", fix) from error
    except ValueError as error:
        raise SourceError(str(path), str(error), fix) from error
    samples = annotations.samples
    if len(samples) and (samples[0] < 0 or (np.diff(samples) < 0).any()):
        raise SourceError(str(path), "its annotations are not in order of time", fix)
    return annotations


def read_both(reference: Path, found: Path, fs_hz: float) -> tuple[float, Annotated, Annotated]:
    """Read two annotation files of one record, each at its own resolution, and count both at the finer one.

    Parameters
    ----------
    reference, found : Path
        With their extensions.
    fs_hz : float
        Frames per second of the record, at which a file counts that states no resolution.

    Returns
    -------
    fs_hz : float
        What both count at.
    reference, found : tuple of (int64 array, list of str)
        Samples and symbols.
    """
    both = [read_file(reference), read_file(found)]
    finest = max(one.fs_hz or fs_hz for one in both)
    first, second = ((one.at(finest, fs_hz), one.symbols) for one in both)
    return finest, first, second


def beats_of(samples: NDArray[np.int64], symbols: Sequence[str]) -> NDArray[np.int64]:
    """Return the samples of those annotations that are beats."""
    return samples[[symbol in ec57.AAMI for symbol in symbols]]


def _annotated(data: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in data.glob("*.atr") if path.with_suffix(".hea").exists()))


def _score(name: str, path: Path, data: Path) -> RecordScore:
    header = read_header(data / f"{name}.hea")
    fs_hz, reference, found = read_both(data / f"{name}.atr", path, header.fs_hz)
    n_samples = round((header.n_samples or 0) * fs_hz / header.fs_hz) or max(reference[0], default=0)
    if max(found[0], default=0) > n_samples:
        reason = f"has a beat at sample {found[0][-1]:,}, {name} has {n_samples:,}"
        raise SourceError(str(path), reason, "replay the same record that --data holds")
    compared = ec57.compare(reference, found, fs_hz)
    distance = np.abs(compared.offsets_ms)
    return RecordScore(
        name=name,
        hours=n_samples / fs_hz / 3600,
        table=compared.table,
        offset_ms=(float(np.median(distance)), float(np.percentile(distance, 95))) if len(distance) else (NAN, NAN),
        rr_error_ms=compared.rr_error_ms,
        paced=name in PACED,
    )
