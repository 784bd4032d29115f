"""Records in a storage format that is seldom met, read at once by the wfdb package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.wfdb_files import MV_PER, check_signal_file
from edge.sources.wfdb_leads import LOOK_S, Candidate, choose
from edge.sources.wfdb_pieces import signal_names
from edge.wfdb_format.header import Header

# What the wfdb package reads beside those of `edge.wfdb_format.signals`.
_FORMATS = (8, 310, 311, 508, 516, 524)
_MAX_SAMPLES = 50_000_000
"""The package takes some 20 bytes for each."""


def is_known(fmt: int) -> bool:
    """Return whether the wfdb package reads a storage format."""
    return fmt in _FORMATS


def read_whole(
    path: Path, header: Header, parts: Sequence[Header], wanted: Sequence[str] | None
) -> tuple[NDArray[np.float32], tuple[str, ...], list[str]]:
    """Return samples in mV, shape (n, n_leads), names of the leads, and what is to be said.

    Parameters
    ----------
    path : Path
        The record without extension.
    header : Header
        Its header.
    parts : sequence of Header
        Those that describe signals: itself, or its segments.
    wanted : sequence of str, optional
        As of `edge.sources.wfdb_leads.choose`.

    Raises
    ------
    SourceError
        If it cannot be read, or is too long for that.
    """
    import wfdb  # noqa: PLC0415  (takes a second to import)

    _check(path, header, parts)
    try:
        record = wfdb.rdrecord(str(path))
    except Exception as error:  # the package raises whatever its parser meets
        raise SourceError(path.name, f"cannot be read, {type(error).__name__}: {error}") from error
    values = record.p_signal.astype(np.float32)
    n = round(LOOK_S * header.fs_hz)
    units = [unit.lower() for unit in record.units]
    names = signal_names([name or "" for name in record.sig_name])
    candidates = [
        Candidate(
            name=name,
            unit=record.units[i],
            mv=MV_PER[units[i]] / (record.adc_gain[i] or 1) if units[i] in MV_PER else None,
            fs_hz=header.fs_hz,
            read=partial(values[:n].__getitem__, (slice(None), i)),
        )
        for i, name in enumerate(names)
    ]
    chosen, notes = choose(path.name, candidates, wanted)
    columns = [names.index(name) for name in chosen]
    scale = np.array([MV_PER[units[i]] for i in columns], np.float32)
    return np.ascontiguousarray(values[:, columns] * scale), chosen, notes


def _check(path: Path, header: Header, parts: Sequence[Header]) -> None:
    """See to it that the package opens only files, and no more than there is memory for."""
    for part in parts:
        for signal in part.signals:
            if signal.file != "~":
                check_signal_file(path.parent, part.name, signal.file)
    widest = max(sum(signal.per_frame for signal in part.signals) for part in parts)
    n = sum(n for _, n in header.segments) or header.n_samples or 0
    if n * widest > _MAX_SAMPLES:
        raise SourceError(path.name, "is too long for its storage format", "convert it to format 16 or 212")
