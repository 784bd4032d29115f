"""Scores annotation files that `ecg-edge replay --annotations` wrote against a database's reference annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.wfdb_format.header import read_header
from training import ec57
from training.report import NAN, RecordScore, Report, render
from training.splits import DS1, DS2, PACED, svdb_unseen

__all__ = ["Report", "evaluate", "read_annotations", "record_names", "render"]


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


def read_annotations(path: Path) -> tuple[NDArray[np.int64], list[str]]:
    """Read a WFDB annotation file, checking that it is whole.

    Parameters
    ----------
    path : Path
        With its extension.

    Returns
    -------
    samples : int64 array
        In order of time.
    symbols : list of str

    Raises
    ------
    SourceError
        If it is missing or broken.
    """
    import wfdb  # noqa: PLC0415  (takes a second to import)

    fix = "write or fetch it again"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read", fix) from error
    # wfdb reads a file that was cut off, or is none, as far as it goes.
    if len(raw) % 2 or raw[-2:] != b"\0\0":
        raise SourceError(str(path), "is no annotation file, or was cut off: it has no end mark", fix)
    try:
        annotation = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
    except Exception as error:  # the package raises whatever its parser meets
        raise SourceError(str(path), f"is no annotation file ({type(error).__name__}: {error})", fix) from error
    samples = np.asarray(annotation.sample, np.int64)
    if len(samples) and (samples[0] < 0 or (np.diff(samples) < 0).any()):
        raise SourceError(str(path), "its annotations are not in order of time", fix)
    return samples, list(annotation.symbol)


def _annotated(data: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in data.glob("*.atr") if path.with_suffix(".hea").exists()))


def _score(name: str, path: Path, data: Path) -> RecordScore:
    header = read_header(data / f"{name}.hea")
    reference, found = read_annotations(data / f"{name}.atr"), read_annotations(path)
    n_samples = header.n_samples or max(reference[0], default=0)
    if max(found[0], default=0) > n_samples:
        reason = f"has a beat at sample {found[0][-1]:,}, {name} has {n_samples:,}"
        raise SourceError(str(path), reason, "replay the same record that --data holds")
    compared = ec57.compare(reference, found, header.fs_hz)
    distance = np.abs(compared.offsets_ms)
    return RecordScore(
        name=name,
        hours=n_samples / header.fs_hz / 3600,
        table=compared.table,
        offset_ms=(float(np.median(distance)), float(np.percentile(distance, 95))) if len(distance) else (NAN, NAN),
        rr_error_ms=compared.rr_error_ms,
        paced=name in PACED,
    )
