"""A picture of ECG paper as a recording: what was read of it goes through the same pipeline as any other samples."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.paper.picture import SUFFIXES
from edge.paper.result import Digitized
from edge.sources.page import PageRecording
from edge.sources.read_as import ReadAs

__all__ = ["SUFFIXES", "open_paper", "recording_of"]

_WHOLE = 0.8
"""Of the page's length: a lead that is printed so long is followed through."""
_MOST_LEADS = 3
_SEAM_S = 0.3


def open_paper(path: Path, read_as: ReadAs) -> PageRecording:
    """Digitize a picture and open what was read.

    Parameters
    ----------
    path : Path
        JPEG, PNG, TIFF, BMP, WebP, or the first page of a PDF.
    read_as : ReadAs
        `leads`: those of the page to use.

    Raises
    ------
    SourceError
        If nothing could be read, with the reason and what to do.
    """
    from edge.paper import digitize  # noqa: PLC0415 - cv2 takes a while

    read = digitize(path)
    if read.refused is not None:
        raise SourceError(path.name, read.refused.reason, read.refused.hint)
    return recording_of(read, path.stem, read_as.leads)


def recording_of(read: Digitized, name: str, leads: tuple[str, ...] | None = None) -> PageRecording:
    """Return the leads of a page that tell most of its rhythm: those printed from one end to the other.

    Parameters
    ----------
    read : Digitized
        Not refused.
    name : str
        Of the recording.
    leads : tuple of str, optional
        Which to use instead.

    Raises
    ------
    SourceError
        If one of these is not on the page.
    """
    there = {lead.upper(): lead for lead in read.leads}
    missing = [lead for lead in leads or () if lead.upper() not in there]
    if missing:
        raise SourceError(name, f"has no lead {', '.join(missing)}", f"it has {', '.join(read.leads)}")
    chosen = [there[lead.upper()] for lead in leads] if leads else _through(read)
    joined = None if chosen else _joined(read)
    notes = [f"read from paper, {read.layout}, {read.mm_per_s:g} mm/s, {read.mm_per_mv:g} mm/mV"]
    notes += [f"assumed: {what}" for what in read.assumed]
    if joined is not None:
        names = ", ".join(joined.names)
        notes.append(
            f"no lead goes through: beats are found in {names} joined, each scaled to 1 mV; their classes say little"
        )
        return PageRecording(read, joined.mv[:, None], ["joined"], name=name, notes=notes)
    mv = np.column_stack([read.leads[lead] for lead in chosen])
    return PageRecording(read, mv, chosen, name=name, notes=notes)


def _through(read: Digitized) -> list[str]:
    """Return the leads that go through the page; none if none does."""
    length = max(lead.stop_s for lead in read.quality)
    whole = [lead for lead in read.quality if lead.stop_s - lead.start_s >= _WHOLE * length]
    best = sorted(whole, key=lambda lead: -lead.quality)[:_MOST_LEADS]
    return [lead.name for lead in read.quality if lead in best]


class _Joined(NamedTuple):
    names: list[str]
    mv: NDArray[np.float32]


def _joined(read: Digitized) -> _Joined:
    """Join leads that follow each other on the page: of each column the one with the clearest beats, upright."""
    columns: dict[float, list[tuple[float, str]]] = {}
    for lead in read.quality:
        mv = read.leads[lead.name]
        steep = np.abs(np.diff(mv[np.isfinite(mv)]))
        size = float(np.percentile(steep, 99)) / max(float(np.median(steep)), 1e-3) if len(steep) else 0.0
        columns.setdefault(round(lead.start_s, 1), []).append((size, lead.name))
    names = [max(column)[1] for _, column in sorted(columns.items())]
    out = np.full(len(read.leads[names[0]]), np.nan, np.float32)
    for name in names:
        mv = read.leads[name]
        known = np.isfinite(mv)
        if known.any():
            wave = mv[known] - np.median(mv[known])
            largest = float(wave[np.abs(wave).argmax()])
            out[known] = wave / (np.percentile(np.abs(wave), 99.5) * (1 if largest >= 0 else -1) + 1e-6)
    known = np.flatnonzero(np.isfinite(out))
    for before, after in pairwise(known.tolist()):
        if 1 < after - before <= _SEAM_S * read.fs_hz:  # no samples are lost where one lead begins after another
            out[before : after + 1] = np.linspace(out[before], out[after], after - before + 1)
    return _Joined(names, out)
