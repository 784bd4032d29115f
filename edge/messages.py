"""The words every part speaks: frozen messages that flow from a source through the stages to the sinks.

Time is the absolute sample number since the stream began. A source counts in its own rate; the stages count in
`FS_HZ`, and `edge.pipeline` translates back, so that what leaves the pipeline is again in the source's own numbers.

Every event carries `decided`: the number of samples that had to be seen before it could be known. That is what makes
latency a fact and the order of events independent of how the samples were cut into blocks.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

FS_HZ = 360
"""The rate at which every stage after conditioning works."""

MOST_LATE = 3 * FS_HZ
"""An R peak that would be told later than this is not told: what a lead is like may become known long after its first
deflection, if nothing but a flat line follows."""

Label = Literal["N", "S", "V", "F", "Q"]
"""AAMI EC57 beat classes."""

LeadState = Literal["good", "noisy", "saturated", "flat", "off"]
Phase = Literal["onset", "update", "end"]
Priority = Literal["high", "medium", "low"]


class Message(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Base of all messages."""


class Event(Message, frozen=True, kw_only=True, eq=False):
    """Something found in the samples.

    Attributes
    ----------
    decided : int
        Samples that had to be seen before this could be known.
    """

    decided: int


class Stream(Message, frozen=True, kw_only=True, eq=False):
    """What a source says of itself before its first sample.

    Attributes
    ----------
    name : str
        Record name or device id; never a patient's name.
    fs_hz : float
        Sampling rate of the source, 100 to 1,000.
    leads : tuple of str
        Lead names in column order, at least one.
    start_time : datetime
        UTC time of sample 0.
    range_mv : tuple of (float, float) or None
        Lowest and highest value each lead's converter can give, where the source knows it.
    n_samples : int or None
        Length of the stream where it is known beforehand.
    notes : tuple of str
        What a user should know of this source, one line each: an assumed gain, a signal left out.
    lead_off_detection : bool
        Whether the source says when an electrode is off; where it does, a flat line is no loose electrode.
    dated : bool
        Whether the source knows when it began; otherwise `start_time` is when it was opened.
    """

    name: str
    fs_hz: float
    leads: tuple[str, ...]
    start_time: datetime
    range_mv: tuple[tuple[float, float], ...] | None = None
    n_samples: int | None = None
    notes: tuple[str, ...] = ()
    lead_off_detection: bool = False
    dated: bool = True


class Samples(Message, frozen=True, kw_only=True, eq=False):
    """A block of consecutive samples.

    A block closes its span: an event decided before the block's last sample was seen never follows the block.

    Attributes
    ----------
    start : int
        Number of the first sample.
    mv : float32 array, shape (n_samples, n_leads)
        From a source, NaN where a lead has no value. After conditioning always finite.
    valid : bool array, shape (n_samples, n_leads), or None
        False where a value was filled in or cannot be trusted; None if all are valid.
    lag : int
        How many samples later than its own time a sample is available, because of filters.
    """

    start: int
    mv: NDArray[np.float32]
    valid: NDArray[np.bool_] | None = None
    lag: int = 0

    @property
    def end(self) -> int:
        """One past the number of the last sample."""
        return self.start + len(self.mv)


class Span(Event, frozen=True, kw_only=True, eq=False):
    """A stretch of samples of which something is said.

    Attributes
    ----------
    start, n : int
        First sample and how many.
    source : tuple of (int, int) or None
        The same in the source's own numbers, while `start` and `n` count at `FS_HZ`.
    """

    start: int
    n: int
    source: tuple[int, int] | None = None


class Gap(Span, frozen=True, kw_only=True, eq=False):
    """Samples that were lost in every lead.

    Attributes
    ----------
    bridged : bool
        Short enough that conditioning filled it in (marked invalid); otherwise the stages start anew after it.
    """

    bridged: bool = False


class SourceState(Message, frozen=True, kw_only=True, eq=False):
    """What a live source says of itself: when something changes, and every ten seconds. Not for the stages.

    Attributes
    ----------
    ok : bool
        Whether samples come.
    reason : str or None
        Why not, or what is wrong although they do.
    sample : int
        A sample of the stream, the newest one …
    time : datetime
        … and the UTC time it was taken; later ones are to be counted from here.
    drift_ppm : float or None
        How much faster the source's clock runs than this machine's; None until it can be told.
    counts : dict
        Since the start: samples `lost` and `doubled`, `damaged` stretches of bytes, samples `dropped` here for want of
        time, `reconnects`.
    problems : tuple of str
        What is wrong with the machine that listens, one line each; a source leaves this to whoever looks after that.
    """

    ok: bool
    reason: str | None
    sample: int
    time: datetime
    drift_ppm: float | None
    counts: dict[str, int]
    problems: tuple[str, ...] = ()


class Quality(Span, frozen=True, kw_only=True, eq=False):
    """State of each lead over one second.

    Attributes
    ----------
    leads : tuple of LeadState
        One per lead.
    """

    leads: tuple[LeadState, ...]

    @property
    def usable(self) -> bool:
        """Whether any lead can be read."""
        return any(state in ("good", "noisy") for state in self.leads)


class RPeak(Event, frozen=True, kw_only=True, eq=False):
    """A QRS complex found.

    Attributes
    ----------
    sample : int
        The R peak (the largest deflection of the QRS where there is no R).
    lead : int
        The lead that decided.
    amplitude_mv : float
        Height at `sample` in that lead's clean signal.
    strength : float
        How far the detector's evidence stood above its threshold; 1 is just at it.
    """

    sample: int
    lead: int
    amplitude_mv: float
    strength: float


class PacingSpike(Event, frozen=True, kw_only=True, eq=False):
    """A pacemaker's spike, whether or not it captured. It is no beat, and not in the clean samples.

    Attributes
    ----------
    sample : int
        Where it is largest.
    lead : int
        The lead it is largest in.
    amplitude_mv : float
        Its height in that lead as it came.
    """

    sample: int
    lead: int
    amplitude_mv: float


class Beat(Event, frozen=True, kw_only=True, eq=False):
    """A beat ready to be classified.

    Attributes
    ----------
    sample : int
        Its R peak.
    rr_ms : float or None
        To the beat before; None for the first one, after a gap, and where beats between may not have been seen.
    window : float32 array, shape (n, n_leads_of_model)
        The signal around R as the model wants it.
    features : float32 array, shape (k,)
        Timing and shape features, not normalized.
    usable : bool
        False if quality over the window was too poor to call.
    noisy : bool
        True if what is no normal beat in it may as well be noise.
    """

    sample: int
    rr_ms: float | None
    window: NDArray[np.float32]
    features: NDArray[np.float32]
    usable: bool = True
    noisy: bool = False


class LabelledBeat(Event, frozen=True, kw_only=True, eq=False):
    """A classified beat.

    Attributes
    ----------
    sample : int
        Its R peak.
    label : Label
        AAMI class; Q also where the signal was too poor to call.
    score : float
        Calibrated probability that the label is correct, 0 to 1; 0 if it was not called.
    rr_ms : float or None
        To the beat before.
    features : float32 array, shape (k,), or None
        From stage to stage, of a beat that may be of another class once the rhythm is known: those of the `Beat`.
    """

    sample: int
    label: Label
    score: float
    rr_ms: float | None
    features: NDArray[np.float32] | None = None


class Likelihood(Event, frozen=True, kw_only=True, eq=False):
    """How likely a rhythm is that no single beat shows, from one stage to those after it.

    Attributes
    ----------
    kind : str
        One of `edge.kinds.KINDS`.
    sample : int
        The last sample that was judged.
    log_odds : float
        Natural logarithm of the odds that it is this rhythm.
    whole : bool
        Of all there is of a recording too short for more.
    """

    kind: str
    sample: int
    log_odds: float
    whole: bool = False

    @property
    def probability(self) -> float:
        """The same as a probability, 0 to 1."""
        return 1 / (1 + math.exp(-max(min(self.log_odds, 30.0), -30.0)))


class Vitals(Event, frozen=True, kw_only=True, eq=False):
    """Heart rate and state, once a second.

    Attributes
    ----------
    sample : int
        The second's last sample.
    hr_bpm : float or None
        None when it cannot be told; never 0.
    reason : str or None
        Why `hr_bpm` is None.
    leads : tuple of LeadState
        State of each lead.
    beats : dict
        Beats so far by label.
    """

    sample: int
    hr_bpm: float | None
    reason: str | None
    leads: tuple[LeadState, ...]
    beats: dict[str, int]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an episode or alert was judged by; what does not apply to its kind is left out.

    Attributes
    ----------
    lost, high, medium, low : int
        Alerts that could not be kept, and of which priority.
    reason : str
        Why the signal could not be read: ``lead off``, ``saturated``, both, ``noise`` or ``samples lost``.
    leads : tuple of LeadState
        State of each lead.
    v_beats, beats : int
        V beats, and all beats, that were counted.
    rate_per_min : float or None
        Rate of the beats judged; None where there are too few.
    percent, window_s : float
        Share of V beats, and the time it is taken over.
    duration_s : float
        How long it has lasted.
    mean_score : float
        Mean score of the beats' labels.
    rule : dict
        The thresholds that were applied, by their names in the configuration.
    ended_by : str
        Why it ended, in the end phase.
    episodes, held : int
        Episodes in this alert so far, and those of them that were not told since it was last told.
    recurred_after_s : float
        From the alert's onset to that of its last episode.
    """

    lost: int | UnsetType = UNSET
    high: int | UnsetType = UNSET
    medium: int | UnsetType = UNSET
    low: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    leads: tuple[LeadState, ...] | UnsetType = UNSET
    v_beats: int | UnsetType = UNSET
    rate_per_min: float | UnsetType | None = UNSET
    beats: int | UnsetType = UNSET
    percent: float | UnsetType = UNSET
    window_s: float | UnsetType = UNSET
    duration_s: float | UnsetType = UNSET
    mean_score: float | UnsetType = UNSET
    rule: dict[str, float] | UnsetType = UNSET
    ended_by: str | UnsetType = UNSET
    episodes: int | UnsetType = UNSET
    held: int | UnsetType = UNSET
    recurred_after_s: float | UnsetType = UNSET


class Episode(Event, frozen=True, kw_only=True, eq=False):
    """A stretch of rhythm, said at its onset, while it lasts, and at its end.

    Attributes
    ----------
    number : int
        Counts episodes in this stream; the same through all phases.
    kind : str
        One of `edge.kinds.KINDS`.
    phase : Phase
        Onset, update or end.
    onset : int
        First sample of the episode.
    end : int or None
        Its last sample, in the end phase.
    evidence : Evidence
        What it was judged by.
    """

    number: int
    kind: str
    phase: Phase
    onset: int
    end: int | None = None
    evidence: Evidence


class Strip(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A piece of signal to look at.

    Attributes
    ----------
    start : int
        Number of its first sample.
    fs_hz : float
        Its rate.
    leads : tuple of str
        Lead names.
    mv : float32 array, shape (n_samples, n_leads)
        The clean signal.
    """

    start: int
    fs_hz: float
    leads: tuple[str, ...]
    mv: NDArray[np.float32]


class Alert(Event, frozen=True, kw_only=True, eq=False):
    """An episode somebody should know of.

    Attributes
    ----------
    number : int
        The same through onset, update and end.
    kind : str
        Kind of the episode.
    phase : Phase
        Onset, update or end.
    priority : Priority
        IEC 60601-1-8 priority.
    onset : int
        First sample of the episode.
    end : int or None
        Its last sample, in the end phase.
    evidence : Evidence
        What it was judged by.
    strip : Strip or None
        The signal around it.
    """

    number: int
    kind: str
    phase: Phase
    priority: Priority
    onset: int
    end: int | None = None
    evidence: Evidence
    strip: Strip | None = None
