"""The words that findings are said in: frozen, with a JSON form and its schema.

Samples are numbers of the source's own; seconds count from its first sample. What cannot be told is None, or a reason
in `cannot_tell`, never a number made up.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.contract.payloads import ModelInfo
from edge.findings.arrays import NO_VALUE, BeatArray, MicroVolts, decode, encode
from edge.messages import Evidence, LeadState, Priority

SCHEMA_VERSION = 1


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all findings."""


class Subject(Finding, frozen=True, kw_only=True):
    """What was looked at.

    Attributes
    ----------
    name : str
        Record or device; never a patient's name.
    fs_hz : float
        Its rate.
    leads : tuple of str
        Lead names.
    start_time : datetime or None
        UTC time of sample 0, where the source knows it.
    n_samples : int
        Samples there were, gaps included.
    duration_s : float
        The same in seconds.
    notes : tuple of str
        What the source says a reader should know.
    """

    name: str
    fs_hz: float
    leads: tuple[str, ...]
    start_time: datetime | None
    n_samples: int
    duration_s: float
    notes: tuple[str, ...] = ()


class Rate(Finding, frozen=True, kw_only=True):
    """Heart rate over time, in steps of equal length; None where it could not be told.

    Attributes
    ----------
    step_s : float
        Length of a step.
    mean, min, max : tuple of (float or None)
        1/min in each step.
    overall : Spread or None
        Over all seconds.
    """

    step_s: float
    mean: tuple[float | None, ...]
    min: tuple[float | None, ...]
    max: tuple[float | None, ...]
    overall: Spread | None


class Spread(Finding, frozen=True, kw_only=True):
    """Mean, median, standard deviation and extremes of `n` values."""

    n: int
    mean: float
    median: float
    sd: float
    min: float
    max: float


class EpisodeFinding(Finding, frozen=True, kw_only=True):
    """An episode of rhythm.

    Attributes
    ----------
    number : int
        Counts episodes in this stream.
    kind, title : str
        One of `edge.kinds.KINDS`, and its name for people.
    priority : Priority
        How urgent this kind is.
    onset, end : int
        First and last sample.
    onset_s, duration_s : float
        The same in seconds.
    lasting : bool
        Whether it had not ended when the stream did.
    evidence : Evidence
        What it was judged by.
    """

    number: int
    kind: str
    title: str
    priority: Priority
    onset: int
    end: int
    onset_s: float
    duration_s: float
    lasting: bool
    evidence: Evidence


class Rhythm(Finding, frozen=True, kw_only=True):
    """A stretch in which one rhythm was told.

    Attributes
    ----------
    kind : str
        Kind of the episode, `none` where no rhythm is told, `unreadable` where no lead could be read.
    start_s, stop_s : float
        From, to.
    """

    kind: str
    start_s: float
    stop_s: float


class Burden(Finding, frozen=True, kw_only=True):
    """How many beats there were of each class, and their share.

    Attributes
    ----------
    beats : int
        All of them.
    by_class : dict
        Count by AAMI class.
    percent : dict
        Share by AAMI class of the beats that were called, Q left out; empty if there are none.
    per_hour : dict
        Count by AAMI class in an hour that could be read.
    """

    beats: int
    by_class: dict[str, int]
    percent: dict[str, float]
    per_hour: dict[str, float]


class Variability(Finding, frozen=True, kw_only=True):
    """Heart rate variability in the time domain (Task Force of ESC and NASPE, 1996).

    Attributes
    ----------
    valid : bool
        Whether it may be read as such.
    reason : str or None
        Why not.
    nn : int
        Intervals between normal beats that follow each other.
    nn_percent : float or None
        Their share of all intervals.
    mean_nn_ms, sdnn_ms, rmssd_ms, pnn50_percent, sdann_ms : float or None
        None where it is not valid; SDANN needs 18 hours.
    """

    valid: bool
    reason: str | None
    nn: int
    nn_percent: float | None = None
    mean_nn_ms: float | None = None
    sdnn_ms: float | None = None
    rmssd_ms: float | None = None
    pnn50_percent: float | None = None
    sdann_ms: float | None = None


class Intervals(Finding, frozen=True, kw_only=True):
    """PR, QRS and QT of averaged normal beats, one for each half minute, and their spread.

    Attributes
    ----------
    n : int
        Averaged beats there were.
    reason : str or None
        Why there were none.
    pr_ms, qrs_ms, qt_ms : Spread or None
        None where the waves do not stand out in most of them.
    qtc_ms : dict
        Median of QT corrected for rate, by the formula's name.
    """

    n: int
    reason: str | None
    pr_ms: Spread | None
    qrs_ms: Spread | None
    qt_ms: Spread | None
    qtc_ms: dict[str, float]


class ConductionStretch(Finding, frozen=True, kw_only=True):
    """A stretch of normal beats that are conducted alike; a pattern of `Conduction`, from, to."""

    pattern: str
    start_s: float
    stop_s: float


class Conduction(Finding, frozen=True, kw_only=True):
    """How normal beats were conducted.

    Attributes
    ----------
    beats : dict
        Normal beats by pattern: `usual`, `lbbb`, `rbbb`, `paced`, `wide` (130 ms and more, of no pattern).
    stretches : tuple of ConductionStretch
        Half minutes joined where they are alike.
    """

    beats: dict[str, int]
    stretches: tuple[ConductionStretch, ...]


class Readable(Finding, frozen=True, kw_only=True):
    """How much could be read.

    Attributes
    ----------
    percent : float or None
        Share of the time in which some lead could be read.
    unreadable_s, lost_s : float
        Seconds in which none could, and seconds that are missing.
    leads : dict
        Seconds by state, by lead.
    stretches : tuple of (start_s, stop_s)
        Where nothing could be read.
    """

    percent: float | None
    unreadable_s: float
    lost_s: float
    leads: dict[str, dict[LeadState, int]]
    stretches: tuple[tuple[float, float], ...] = ()


class StripFinding(Finding, frozen=True, kw_only=True, eq=False):
    """A piece of signal to look at.

    Attributes
    ----------
    why : str
        `episode`, `typical`, `noisiest`.
    episode : int or None
        Number of the episode it shows.
    start : int
        Number of its first sample.
    fs_hz : float
        Its rate, the source's.
    leads : tuple of str
        Lead names.
    uv : int32 array, shape (n_leads, n_samples)
        µV within `band_hz`, `NO_VALUE` where there is none.
    band_hz : (float, float)
        What was left of the signal, without delay.
    """

    why: str
    episode: int | None
    start: int
    fs_hz: float
    leads: tuple[str, ...]
    uv: MicroVolts
    band_hz: tuple[float, float]

    @property
    def mv(self) -> NDArray[np.float64]:
        """The samples in mV, shape (n_samples, n_leads), NaN where there is no value."""
        mv = self.uv.T * 1e-3
        mv[self.uv.T == NO_VALUE] = np.nan
        return np.asarray(mv)


class PageOpinion(Finding, frozen=True, kw_only=True):
    """A second opinion on a 12-lead page as a whole, from a model of pages; the first is all else.

    Attributes
    ----------
    kind : str or None
        One of `edge.inference.page_model.TITLES`; None if nothing is said.
    title : str or None
        The same for people.
    probabilities : dict
        By kind, 0 to 1, as the model has them: not calibrated.
    learnt_from : str
        What the model has seen and how often it is right: no opinion is worth more.
    why_not : str or None
        Why nothing is said.
    model : ModelInfo
        Which model.
    """

    kind: str | None
    title: str | None
    probabilities: dict[str, float]
    learnt_from: str
    why_not: str | None
    model: ModelInfo


class Limit(Finding, frozen=True, kw_only=True):
    """Something that cannot be told, and why."""

    what: str
    why: str


class Sentence(Finding, frozen=True, kw_only=True):
    """One finding in words.

    Attributes
    ----------
    text : str
        What, how sure, since when.
    priority : Priority or None
        How urgent it is; None if it only informs.
    episode : int or None
        Number of the episode it rests on most.
    """

    text: str
    priority: Priority | None = None
    episode: int | None = None


class Findings(Finding, frozen=True, kw_only=True, eq=False):
    """Everything that can be said of one stream.

    Attributes
    ----------
    schema_version : int
        Of this form.
    made_by : str
        Program and version.
    model : ModelInfo
        What classified the beats.
    subject : Subject
        What was looked at.
    sentences : tuple of Sentence
        The most urgent first.
    heart_rate : Rate
        Over time.
    rhythm : tuple of Rhythm
        Stretch by stretch, from the first sample to the last.
    beats : structured array of `BEAT`
        All beats.
    burden : Burden
        Their counts and shares.
    episodes : tuple of EpisodeFinding
        In order of onset.
    episode_counts, alert_counts : dict
        By kind, all of them.
    rr_ms : Spread or None
        Intervals between beats.
    intervals : Intervals
        PR, QRS, QT and QTc.
    conduction : Conduction
        Bundle-branch block and paced beats.
    hrv : Variability
        Where it is valid.
    readable : Readable
        How much could be read.
    strips : tuple of StripFinding
        Of the episodes (of each kind the longest, if there are many), a typical one and the noisiest.
    cannot_tell : tuple of Limit
        What these findings do not say.
    page : PageOpinion or None
        On a page of paper, what a model of whole pages says.
    """

    schema_version: int = SCHEMA_VERSION
    made_by: str
    model: ModelInfo
    subject: Subject
    sentences: tuple[Sentence, ...] = ()
    heart_rate: Rate
    rhythm: tuple[Rhythm, ...]
    beats: BeatArray
    burden: Burden
    episodes: tuple[EpisodeFinding, ...]
    episode_counts: dict[str, int]
    alert_counts: dict[str, int]
    rr_ms: Spread | None
    intervals: Intervals
    conduction: Conduction
    hrv: Variability
    readable: Readable
    strips: tuple[StripFinding, ...]
    cannot_tell: tuple[Limit, ...]
    page: PageOpinion | None = None

    def summary(self) -> str:
        """Return the findings in words, one line each, the most urgent first."""
        return "\n".join(sentence.text for sentence in self.sentences)

    def clock(self, seconds: float) -> str:
        """Return a time in the stream for people: by the clock (UTC) if it is known, else since the beginning.

        Parameters
        ----------
        seconds : float
            Since the first sample.
        """
        if self.subject.start_time is not None:
            return f"{self.subject.start_time + timedelta(seconds=seconds):%H:%M:%S}"
        return elapsed(seconds)

    def to_json(self) -> bytes:
        """Return the JSON form; its schema is `docs/schemas/findings.json`."""
        return msgspec.json.encode(self, enc_hook=encode)

    @classmethod
    def from_json(cls, content: bytes) -> Findings:
        """Return the findings that a JSON form says.

        Raises
        ------
        msgspec.ValidationError
            If it is no such form.
        """
        return msgspec.json.decode(content, type=cls, dec_hook=decode)


def elapsed(seconds: float) -> str:
    """Return a duration as h:mm:ss.

    >>> elapsed(3723.4)
    '1:02:03'
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
