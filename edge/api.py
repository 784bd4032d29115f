"""The package in Python: `edge.analyze` for what is there, `edge.Pipeline` for what comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge import pipeline
from edge.contract.payloads import ModelInfo
from edge.findings.analyze import findings_of
from edge.findings.collector import Collector
from edge.findings.findings import Burden, EpisodeFinding, Findings, Rate
from edge.inference.beat_model import BeatModel
from edge.messages import Event, Gap, Samples, Stream
from edge.sources import Recording
from edge.sources.array import ArrayRecording
from edge.sources.files import open_recording
from edge.sources.read_as import ReadAs

if TYPE_CHECKING:
    from edge.report.plot import Picture


class Analyzed:
    """What was found, and the recording it was found in.

    Attributes
    ----------
    findings : Findings
        Everything, in its frozen form.
    recording : Recording
        Where the samples are.
    """

    def __init__(self, findings: Findings, recording: Recording) -> None:
        self.findings = findings
        self.recording = recording

    @property
    def beats(self) -> NDArray[np.void]:
        """All beats: `sample`, `time_s`, `label`, `score`, `rr_ms`."""
        return self.findings.beats

    @property
    def episodes(self) -> tuple[EpisodeFinding, ...]:
        """Episodes of rhythm in order of their onset."""
        return self.findings.episodes

    @property
    def heart_rate(self) -> Rate:
        """Heart rate over time."""
        return self.findings.heart_rate

    @property
    def burden(self) -> Burden:
        """Beats by class, and their shares."""
        return self.findings.burden

    def summary(self) -> str:
        """Return the findings in words, one line each, the most urgent first."""
        return self.findings.summary()

    def to_json(self) -> bytes:
        """Return the JSON form; its schema is `docs/schemas/findings.json`."""
        return self.findings.to_json()

    def report(self, path: str | Path, *, full_disclosure: bool = False) -> Path:
        """Write the report; its form follows from the suffix.

        Parameters
        ----------
        path : str or Path
            `.html`, `.pdf`, `.svg`, `.png` or `.json`.
        full_disclosure : bool
            Whether HTML and PDF show every beat, a minute in a row.

        Raises
        ------
        SinkError
            If it cannot be written.
        """
        from edge.report.disclosure import disclose  # noqa: PLC0415
        from edge.report.write import Extras, write_report  # noqa: PLC0415

        extras = Extras(disclosure=disclose(self.recording) if full_disclosure else None)
        return write_report(self.findings, Path(path), extras)

    def plot(self, start_s: float = 0.0, stop_s: float | None = None) -> Picture:
        """Return a picture of a stretch on ECG paper, what was found marked in it; notebooks show it.

        Parameters
        ----------
        start_s, stop_s : float
            From, to; half a minute if not said, ten minutes at most.

        Raises
        ------
        EcgEdgeError
            If there is no such stretch.

        Examples
        --------
        >>> import numpy as np, edge
        >>> t = np.arange(250 * 30) / 250
        >>> mv = np.exp(-(((t % 0.8) - 0.4) / 0.012) ** 2)
        >>> edge.analyze(mv, fs_hz=250).plot(start_s=10, stop_s=20).drawing.width
        263.0
        """
        from edge.report.plot import plot  # noqa: PLC0415

        return plot(self.recording, self.findings, start_s, stop_s)

    def export(self, form: str, path: str | Path) -> Path:
        """Write samples, beats and episodes as `fhir`, `dicom`, `edf` or `csv`.

        Raises
        ------
        SinkError
            If it cannot be written.
        """
        from edge.report.export import write_export  # noqa: PLC0415

        return write_export(form, self.recording, self.findings, Path(path))

    def __repr__(self) -> str:
        subject = self.findings.subject
        return f"<{subject.name}: {len(self.beats):,} beats, {len(self.episodes)} episodes, {subject.duration_s:g} s>"


def analyze(
    source: ArrayLike | str | Path,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    *,
    unit: str | None = None,
    model: str = "cnn",
    data: Path | None = None,
) -> Analyzed:
    """Find beats and rhythms in a recording.

    Parameters
    ----------
    source : array, shape (n,) or (n, n_leads), or str or Path
        Samples in mV, NaN where there is none; or a file: a WFDB record, a table (CSV, TXT), EDF, NumPy or MATLAB.
    fs_hz : float, optional
        Rate; needed for an array, and for a table that has no time in it.
    leads : sequence of str, optional
        Names of the leads of an array; the leads to read of a file.
    unit : str, optional
        `mv`, `uv`, `v` or `adc`, where a file does not say it.
    model : str
        Name of a shipped model, `cnn` or `lstm`.
    data : Path, optional
        Folder where records are looked up first.

    Returns
    -------
    Analyzed
        Beats, episodes, rate, burden, summary, report.

    Raises
    ------
    SourceError
        If the source cannot be read, with what is missing.

    Examples
    --------
    >>> import numpy as np, edge
    >>> t = np.arange(250 * 30) / 250
    >>> mv = np.exp(-(((t % 0.8) - 0.4) / 0.012) ** 2)        # 75 beats a minute
    >>> findings = edge.analyze(mv, fs_hz=250, leads=["II"])
    >>> len(findings.beats), round(findings.heart_rate.overall.mean)
    (38, 75)
    """
    recording: Recording
    if isinstance(source, str | Path):
        recording = open_recording(str(source), data, ReadAs(fs_hz=fs_hz, unit=unit, leads=_names(leads)))
    elif fs_hz is None:
        raise TypeError("an array does not say its rate: give fs_hz")
    else:
        recording = ArrayRecording(source, fs_hz, leads)
    with BeatModel.load(model) as loaded:
        return Analyzed(findings_of(recording, loaded), recording)


def _names(leads: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if leads is None else tuple(leads)


class Pipeline:
    """Finds beats and rhythms in samples as they come.

    Parameters
    ----------
    fs_hz : float
        Rate, 100 to 1,000.
    leads : sequence of str
        Lead names, in the order of the columns.
    model : str
        Name of a shipped model.
    start_time : datetime, optional
        UTC time of the first sample; now if not given.
    name : str
        Of the stream.

    Examples
    --------
    >>> import numpy as np, edge
    >>> pipeline = edge.Pipeline(fs_hz=250, leads=["II"])
    >>> t = np.arange(250 * 30) / 250
    >>> mv = np.exp(-(((t % 0.8) - 0.4) / 0.012) ** 2)
    >>> events = [event for block in np.split(mv, 60) for event in pipeline.push(block)]
    >>> sorted({type(event).__name__ for event in events})
    ['LabelledBeat', 'Quality', 'Vitals']
    >>> events += pipeline.flush()
    >>> pipeline.findings().burden.beats
    38
    """

    def __init__(
        self,
        *,
        fs_hz: float,
        leads: Sequence[str] = ("II",),
        model: str = "cnn",
        start_time: datetime | None = None,
        name: str = "stream",
    ) -> None:
        loaded = BeatModel.load(model)
        stream = Stream(
            name=name,
            fs_hz=fs_hz,
            leads=tuple(leads),
            start_time=start_time or datetime.now(UTC),
            dated=start_time is not None,
        )
        self._leads = len(stream.leads)
        self._pipeline = pipeline.Pipeline(stream, loaded)
        self._collector = Collector(ModelInfo(name=loaded.name, sha256=loaded.sha256))
        self._collector.take(stream)
        self._end = 0

    def push(self, mv: ArrayLike) -> list[Event]:
        """Take the next samples; return the events they lead to, in the order they were decided.

        Parameters
        ----------
        mv : array, shape (n,) or (n, n_leads)
            mV, NaN where a lead has no value.

        Raises
        ------
        ValueError
            If the shape does not fit the leads.
        """
        values = np.asarray(mv, np.float32)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != self._leads:
            raise ValueError(f"samples have the shape {np.shape(mv)}, there are {self._leads} leads")
        return self._give(Samples(start=self._end, mv=values))

    def gap(self, n: int) -> list[Event]:
        """Take the news that so many samples were lost; return the events that leads to."""
        return self._give(Gap(decided=self._end + n, start=self._end, n=n))

    def flush(self) -> list[Event]:
        """End the stream; return the events still held."""
        return self._told(self._pipeline.flush())

    def findings(self) -> Findings:
        """Return what was found so far."""
        return self._collector.findings()

    def _give(self, message: Samples | Gap) -> list[Event]:
        self._end = message.end if isinstance(message, Samples) else message.start + message.n
        events = self._told(self._pipeline.push(message))
        if isinstance(message, Samples):
            self._collector.take(message)
        return events

    def _told(self, events: list[Event]) -> list[Event]:
        for event in events:
            self._collector.take(event)
        return events
