"""A picture of any stretch of a recording: what was found marked on ECG paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError, SinkError
from edge.findings.findings import Findings
from edge.findings.strips import BAND_HZ, band_passed
from edge.messages import Gap
from edge.report import content
from edge.report import strip as paper
from edge.report.drawing import Drawing
from edge.report.write import is_ours, write_whole
from edge.sources import Recording

DEFAULT_S = 30.0
"""Three rows: what a page shows."""
LONGEST_S = 600.0
FORMS = (".svg", ".png", ".pdf")

_MARGIN_S = 3.0


class Picture:
    """A drawing that notebooks show and files hold.

    Parameters
    ----------
    drawing : Drawing
        What it shows.
    """

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing

    def _repr_svg_(self) -> str:
        from edge.report.svg import svg  # noqa: PLC0415

        return svg(self.drawing, alone=True)

    def save(self, path: str | Path) -> Path:
        """Write it as `.svg`, `.png` or `.pdf`, whichever the suffix says.

        Raises
        ------
        SinkError
            If it cannot be written.
        """
        target = Path(path)
        check_form(target)
        if target.suffix.lower() == ".svg":
            content = self._repr_svg_().encode()
        elif target.suffix.lower() == ".png":
            from edge.report.png import png  # noqa: PLC0415

            content = png(self.drawing)
        else:
            from edge.report.pdf_drawing import picture  # noqa: PLC0415

            content = picture(self.drawing)
        write_whole(target, content, lambda head: is_ours(target, head))
        return target


def check_form(path: Path) -> None:
    """Refuse a suffix that says no form of a picture.

    Raises
    ------
    SinkError
        With the forms that there are.
    """
    if path.suffix.lower() not in FORMS:
        raise SinkError(str(path), f"no picture ends with {path.suffix!r}", f"choose from {', '.join(FORMS)}")


def check_stretch(start_s: float, stop_s: float) -> None:
    """Refuse a stretch that is none, or too long for a picture.

    Raises
    ------
    EcgEdgeError
        With what can be had.
    """
    if not 0 <= start_s < stop_s or stop_s - start_s > LONGEST_S:
        reason = f"{start_s:g} to {stop_s:g} s is no stretch that can be drawn"
        raise EcgEdgeError(reason, f"up to {LONGEST_S:g} s from 0 on")


class Stretch:
    """The samples of a stretch, kept while they go by.

    Parameters
    ----------
    fs_hz : float
        Rate.
    n_leads : int
        Columns.
    start_s, stop_s : float
        From, to.
    """

    def __init__(self, fs_hz: float, n_leads: int, start_s: float, stop_s: float) -> None:
        check_stretch(start_s, stop_s)
        self._fs_hz, self.start, self.stop = fs_hz, round(start_s * fs_hz), round(stop_s * fs_hz)
        margin = round(_MARGIN_S * fs_hz)
        self._first = max(self.start - margin, 0)
        self._mv = np.full((self.stop + margin - self._first, n_leads), np.nan)
        self.end = 0

    def add(self, start: int, mv: NDArray[np.float32]) -> None:
        """Take the next samples."""
        self.end = start + len(mv)
        first, stop = max(start, self._first), min(self.end, self._first + len(self._mv))
        if first < stop:
            self._mv[first - self._first : stop - self._first] = mv[first - start : stop - start]

    @property
    def complete(self) -> bool:
        """Whether nothing more of it can come."""
        return self.end >= self._first + len(self._mv)

    def draw(self, found: Findings) -> Drawing:
        """Return it on paper.

        Raises
        ------
        EcgEdgeError
            If the recording ends before it.
        """
        if self.end <= self.start:
            raise EcgEdgeError(
                f"{found.subject.name} ends at {self.end / self._fs_hz:g} s", "choose an earlier stretch"
            )
        clean = band_passed(self._mv, self._fs_hz)[self.start - self._first :]
        clean = clean[: min(self.stop, self.end) - self.start]
        start_s, stop_s = self.start / self._fs_hz, (self.start + len(clean)) / self._fs_hz
        times = found.beats["time_s"]
        return paper.draw(
            paper.Strip(
                mv=clean,
                fs_hz=self._fs_hz,
                leads=found.subject.leads,
                start_s=start_s,
                beats=found.beats[np.searchsorted(times, start_s) : np.searchsorted(times, stop_s)],
                spans=content.spans(found, start_s, stop_s),
                unreadable=found.readable.stretches,
                band_hz=BAND_HZ,
                label=f"{found.subject.name}  {found.clock(start_s)}–{found.clock(stop_s)}",
            )
        )


def plot(recording: Recording, found: Findings, start_s: float = 0.0, stop_s: float | None = None) -> Picture:
    """Return a picture of a stretch.

    Parameters
    ----------
    recording : Recording
        The samples; they are read again.
    found : Findings
        What was found in them.
    start_s, stop_s : float
        From, to; half a minute if not said.

    Raises
    ------
    EcgEdgeError
        If there is no such stretch, or it is longer than ten minutes.
    """
    stream = recording.stream
    stop_s = start_s + DEFAULT_S if stop_s is None else stop_s
    stretch = Stretch(stream.fs_hz, len(stream.leads), start_s, stop_s)
    for message in recording.blocks(50_000):
        if not isinstance(message, Gap):
            stretch.add(message.start, message.mv)
        if stretch.complete:
            break
    return Picture(stretch.draw(found))
