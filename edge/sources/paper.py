"""A picture of ECG paper as a recording: what was read of it goes through the same pipeline as any other samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.errors import SourceError
from edge.paper.picture import SUFFIXES
from edge.paper.result import Digitized
from edge.sources.page import PageRecording
from edge.sources.read_as import ReadAs

__all__ = ["SUFFIXES", "open_paper", "recording_of"]

_WHOLE = 0.8
"""Of the page's length: a lead that is printed so long is followed through."""
_MOST_LEADS = 3


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
    notes = [f"read from paper, {read.layout}, {read.mm_per_s:g} mm/s, {read.mm_per_mv:g} mm/mV"]
    notes += [f"assumed: {what}" for what in read.assumed]
    mv = np.column_stack([read.leads[lead] for lead in chosen])
    return PageRecording(read, mv, chosen, name=name, notes=notes)


def _through(read: Digitized) -> list[str]:
    """Return the leads that go through the page; if none does, all of them."""
    length = max(lead.stop_s for lead in read.quality)
    whole = [lead for lead in read.quality if lead.stop_s - lead.start_s >= _WHOLE * length]
    best = sorted(whole, key=lambda lead: -lead.quality)[:_MOST_LEADS]
    return [lead.name for lead in read.quality if lead in best] or list(read.leads)
