"""From samples as they come to clean samples at 360 Hz: one rate, no wander, no mains, no muscle noise, no holes.

Everything looks a fixed and short time ahead, so that the delay is one number, `Samples.lag`:

- pacing spikes are found, told and taken out (`edge.stages.conditioning.pacing`);
- any rate of 100 to 1,000 Hz is brought to 360 Hz (`edge.stages.conditioning.resampling`);
- a linear-phase low-pass keeps 0 to 35 Hz and removes 50 and 60 Hz (the monitoring band of AAMI EC13 ends at 40 Hz);
- the baseline is the running median of the last 0.63 s, so a step is forgotten after a third of a second without
  ringing, and a tall beat leaves no dip behind as after a linear high-pass (de Chazal 2004 uses medians too).

Short gaps are bridged by a straight line; a value missing in one lead is held, since a line would have to wait for the
value after it. Both are marked invalid, as are samples stuck at the end of the converter's range.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.messages import FS_HZ, Gap, Message, PacingSpike, Quality, Samples
from edge.stages.conditioning.baseline import HOP, Baseline
from edge.stages.conditioning.pacing import Pacing, Reach, Spike
from edge.stages.conditioning.resampling import Resampler
from edge.stages.fir import filtered, low_pass

BRIDGED_S = 0.15
"""Longest gap that is filled in; shorter than any RR interval, so no beat can hide in it unnoticed."""

ABSURD_MV = 1e4
"""No electrode gives this; IEC 60601-2-27 asks for offsets of 300 mV."""

STUCK_S = 0.05
"""A value at the end of the range for this long is saturation; a clipped R peak is shorter."""

HALF = 20
"""Delay of the low-pass, 56 ms: the shortest that removes both mains and keeps 35 Hz."""

_QUANTUM = 2.0**20
"""Steps a mV. Sums of such values are exact, whatever the order."""

_TAPS = low_pass(HALF, FS_HZ, pass_hz=35.0, stop_hz=49.0, nulls_hz=(50.0, 60.0))

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Conditioning:
    """Cleans samples; takes source-rate `Samples` and `Gap`, gives both at 360 Hz, and each `PacingSpike`.

    Sample k stands at the time of source sample ``k * fs_hz / 360``: the delay of the filters is taken out of the
    numbers. A gap longer than `BRIDGED_S` ends a segment: its tail is given out with the last value extended, and
    what follows starts with its first value extended backwards, so that an offset does not ring.

    Parameters
    ----------
    fs_hz : float
        Rate of the source, 100 to 1,000.
    n_leads : int
        Columns of its samples.
    range_mv : tuple of (float, float) or None
        Lowest and highest value each lead's converter can give.
    """

    def __init__(self, fs_hz: float, n_leads: int, range_mv: tuple[tuple[float, float], ...] | None = None) -> None:
        if not 100 <= fs_hz <= 1000:
            raise ValueError(f"fs_hz is {fs_hz}; 100 to 1000 can be conditioned")
        self._resampler = Resampler(fs_hz)
        self._intake = _Intake(n_leads, range_mv, max(1, round(STUCK_S * fs_hz)))
        self._n_leads = n_leads
        self._fs_hz = fs_hz
        half, ahead = self._resampler.half, Reach.at(fs_hz).ahead
        self.lag = HALF + (self._resampler.rates.first_in_stages(half + 2 + ahead) - 1 if half else ahead)
        self._bridged = round(BRIDGED_S * fs_hz)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._segment: _Segment | None = None
        self._bridges: list[Gap] = []  # told with the samples after them, which the bridge leads to
        self._seen = 0
        self._intake.reset()

    def push(self, message: Message) -> Iterable[Message]:
        """Condition samples, bring the numbers of gaps and quality to 360 Hz; everything else passes."""
        if isinstance(message, Gap):
            return self._lose(message)
        if isinstance(message, Samples):
            return self._take(message)
        if isinstance(message, Quality):
            return [self._renumber(message)]
        return [message]

    def flush(self) -> Iterable[Message]:
        """Give out the tail, as if the last value went on."""
        if self._segment is None:
            return []
        tail = self._segment.finish(self._seen)
        spikes = self._tell(self._segment.take_spikes(), self._resampler.rates.seen_in_stages(self._seen))
        self._segment = None
        return [*self._take_bridges(), *spikes, *self._block(tail)]

    def _take(self, samples: Samples) -> list[Message]:
        out: list[Message] = []
        if self._segment is not None and samples.start > self._seen:
            lost = samples.start - self._seen
            out += self._lose(Gap(decided=samples.start, start=self._seen, n=lost))
        if not len(samples.mv):
            return out
        mv, bad = self._intake.take(samples)
        if self._segment is None:
            pacing = Pacing(self._fs_hz, samples.start, mv[0])
            self._segment = _Segment(self._resampler, pacing, self.lag, samples.start, mv[0])
        elif samples.start > self._segment.source_end:
            self._segment.bridge(samples.start, mv[0])
        self._segment.extend(mv, bad)
        self._seen = samples.end
        spikes = self._tell(self._segment.take_spikes())
        return [*self._take_bridges(), *out, *spikes, *self._block(self._segment.ready())]

    def _lose(self, gap: Gap) -> list[Message]:
        rates = self._resampler.rates
        first, after = rates.first_in_stages(gap.start), rates.first_in_stages(gap.start + gap.n)
        decided = max(rates.seen_in_stages(gap.start + gap.n), first)
        known = Gap(decided=decided, start=first, n=after - first, source=(gap.start, gap.n))
        segment = self._segment
        if segment is None:
            self._seen = gap.start + gap.n
            return [known]
        if gap.start + gap.n - segment.source_end <= self._bridged:
            self._seen = gap.start + gap.n
            self._bridges.append(msgspec.structs.replace(known, bridged=True))
            return []
        # What was held back for the line to the next value has no next value now.
        tail = self._block(segment.finish(segment.source_end))
        spikes = self._tell(segment.take_spikes(), decided)
        self._segment = None
        self._seen = gap.start + gap.n
        self._intake.reset()
        return [*self._take_bridges(), *spikes, *tail, known]

    def _take_bridges(self) -> list[Gap]:
        bridges, self._bridges = self._bridges, []
        return bridges

    def _tell(self, spikes: list[Spike], decided: int | None = None) -> list[PacingSpike]:
        """Return spikes at 360 Hz, `decided` when they were known, or at the end of their segment."""
        rates = self._resampler.rates
        return [
            PacingSpike(
                sample=rates.to_stages(spike.sample),
                lead=spike.lead,
                amplitude_mv=spike.amplitude_mv,
                decided=rates.seen_in_stages(spike.known) if decided is None else decided,
            )
            for spike in spikes
        ]

    def _renumber(self, quality: Quality) -> Quality:
        rates = self._resampler.rates
        start, end = rates.to_stages(quality.start), rates.to_stages(quality.start + quality.n)
        return msgspec.structs.replace(
            quality,
            start=start,
            n=end - start,
            decided=rates.seen_in_stages(quality.decided),
            source=(quality.start, quality.n),
        )

    def _block(self, ready: tuple[int, Floats, Flags]) -> list[Message]:
        start, mv, bad = ready
        if not len(mv):
            return []
        valid = None if not bad.any() else ~bad
        return [Samples(start=start, mv=mv.astype(np.float32), valid=valid, lag=self.lag)]


class _Intake:
    """Turns source samples into finite ones and says which cannot be trusted."""

    def __init__(self, n_leads: int, range_mv: tuple[tuple[float, float], ...] | None, stuck: int) -> None:
        ends = np.asarray(range_mv if range_mv is not None else [(np.nan, np.nan)] * n_leads, np.float64)
        self._low, self._high = ends[:, 0], ends[:, 1]
        # A converter's last step may be a little inside the stated range; what lies beyond shows that it is wrong.
        self._near = (self._high - self._low) * 1e-3
        lows, highs = [-ABSURD_MV, *(self._low + self._near)], [ABSURD_MV, *(self._high - self._near)]
        self._above, self._below = float(np.nanmax(lows)), float(np.nanmin(highs))
        self._stuck = stuck
        self._n_leads = n_leads
        self.reset()

    def reset(self) -> None:
        """Forget the last values."""
        self._last = np.full(self._n_leads, np.nan)
        self._run = np.zeros(self._n_leads, np.int64)

    def take(self, samples: Samples) -> tuple[Floats, Flags]:
        """Return values, missing ones held, and a flag where a value is missing or stuck at an end of the range."""
        mv = np.asarray(samples.mv, np.float64).reshape(-1, self._n_leads)
        if samples.valid is None and mv.min() > self._above and mv.max() < self._below:
            # Nothing is missing or at an end, as nearly always; small blocks are dear by the number of steps.
            self._last = mv[-1].copy()
            self._run[:] = 0
            return np.rint(mv * _QUANTUM) / _QUANTUM, np.zeros(mv.shape, np.bool_)
        with np.errstate(invalid="ignore"):
            missing = ~(np.abs(mv) <= ABSURD_MV)
            at_end = (np.abs(mv - self._low) <= self._near) | (np.abs(mv - self._high) <= self._near)
        if samples.valid is not None:
            missing |= ~samples.valid
        held = self._hold(mv, missing)
        return np.rint(held * _QUANTUM) / _QUANTUM, np.asarray(missing | self._is_stuck(at_end & ~missing))

    def _hold(self, mv: Floats, missing: Flags) -> Floats:
        if missing.any():
            mv = np.vstack([self._last, mv])
            known = np.vstack([np.ones(self._n_leads, bool), ~missing])
            rows = np.maximum.accumulate(np.where(known, np.arange(len(mv))[:, None], 0), axis=0)
            mv = np.take_along_axis(mv, rows, axis=0)[1:]
            self._last = mv[-1].copy()
            return np.nan_to_num(mv, nan=0.0)
        self._last = mv[-1].copy()
        return mv

    def _is_stuck(self, at_end: Flags) -> Flags:
        """Return where the run of samples at an end has become long enough."""
        if not at_end.any():
            self._run[:] = 0
            return at_end
        count = np.arange(1, len(at_end) + 1)[:, None]
        broken = np.maximum.accumulate(np.where(at_end, 0, count), axis=0)
        run = count - broken + np.where(broken == 0, self._run, 0)
        self._run = run[-1].copy()
        return np.asarray(at_end & (run >= self._stuck))


class _Segment:
    """Samples without a long gap between them, on their way from the source's rate to clean ones.

    Attributes
    ----------
    source_end : int
        One past the last source sample.
    """

    def __init__(self, resampler: Resampler, pacing: Pacing, lag: int, start: int, first: Floats) -> None:
        self._resampler, self._pacing, self._lag = resampler, pacing, lag
        self.source_end = start
        self._last = first
        self._spikes: list[Spike] = []
        self._next = resampler.rates.first_in_stages(start)  # next clean sample to give out
        self._even = self._next - self._next % HOP - HOP * 2  # next sample at 360 Hz to make
        back = start - resampler.span(self._even, self._even + 1)[0] + 1
        self._source = np.repeat(first[None], max(back, 1), axis=0)
        self._source_bad = np.zeros(self._source.shape, bool)
        self._origin = start - len(self._source)
        self._mv = np.zeros((0, len(first)))
        self._bad = np.zeros((0, len(first)), bool)
        self._mv_origin = self._even
        self._baseline = Baseline(self._even, self._next // HOP, HALF, len(first))

    def bridge(self, until: int, target: Floats) -> None:
        """Fill in source samples up to `until` by a straight line to the value there."""
        steps = np.arange(1, until - self.source_end + 1)[:, None] / (until - self.source_end + 1)
        line = self._last + steps * (target - self._last)
        self.extend(np.rint(line * _QUANTUM) / _QUANTUM, np.ones(line.shape, bool))

    def extend(self, mv: Floats, bad: Flags) -> None:
        """Add source samples."""
        self.source_end += len(mv)
        self._last = mv[-1]
        mv, bad, spikes = self._pacing.take(mv, bad)
        self._spikes += spikes
        self._source = np.concatenate([self._source, mv])
        self._source_bad = np.concatenate([self._source_bad, bad])

    def take_spikes(self) -> list[Spike]:
        """Return the pacing spikes found since this was last asked."""
        spikes, self._spikes = self._spikes, []
        return spikes

    def ready(self) -> tuple[int, Floats, Flags]:
        """Return first number, values and bad flags of the clean samples that can be given out."""
        return self._give(self._resampler.rates.seen_in_stages(self.source_end) - self._lag)

    def finish(self, end: int) -> tuple[int, Floats, Flags]:
        """Return what is left up to source sample `end`, the last value extended."""
        stop = self._resampler.rates.first_in_stages(end)
        more = self._resampler.span(stop + HALF + HOP, stop + HALF + HOP + 1)[1] - self._origin - len(self._source)
        if more > 0:
            self.extend(np.repeat(self._last[None], more, axis=0), np.zeros((more, len(self._last)), bool))
        return self._give(stop)

    def _give(self, stop: int) -> tuple[int, Floats, Flags]:
        start = self._next
        if stop <= start:
            return start, self._mv[:0], self._bad[:0]
        self._resample(stop + HALF)
        first = start - HALF - self._mv_origin
        mv = filtered(self._mv[first:], _TAPS)[: stop - start]
        mv -= self._baseline.at(start, stop)
        bad = _near(self._bad[first : first + stop - start + 2 * HALF])
        self._next = stop
        drop = stop - HALF - self._mv_origin
        self._mv, self._bad, self._mv_origin = self._mv[drop:], self._bad[drop:], self._mv_origin + drop
        return start, mv, bad

    def _resample(self, stop: int) -> None:
        if stop <= self._even:
            return
        span = self._resampler.span(self._even, stop)
        if not self._resampler.half:
            span = (self._even, stop)
        mv = self._resampler.take(self._source, self._origin, self._even, stop)
        mv = np.rint(mv * _QUANTUM) / _QUANTUM
        bad = self._resampler.touched(self._source_bad, self._origin, self._even, stop)
        self._mv, self._bad = np.concatenate([self._mv, mv]), np.concatenate([self._bad, bad])
        self._baseline.extend(mv)
        self._even = stop
        keep = min(self._resampler.span(stop, stop + 1)[0] if self._resampler.half else stop, span[1])
        drop = min(max(keep - self._origin, 0), len(self._source) - 1)
        self._source, self._source_bad = self._source[drop:], self._source_bad[drop:]
        self._origin += drop


def _near(bad: Flags) -> Flags:
    """Return where any of the low-pass's taps lies on a bad sample."""
    n_out = len(bad) - 2 * HALF
    if not bad.any():
        return np.zeros((n_out, bad.shape[1]), bool)
    sums = np.zeros((len(bad) + 1, bad.shape[1]), np.int64)
    np.cumsum(bad, axis=0, out=sums[1:])
    return np.asarray(sums[2 * HALF + 1 :] > sums[: -2 * HALF - 1])
