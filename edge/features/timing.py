"""Features of when a beat comes: its RR intervals against the patient's own and in absolute terms."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Sequence

TIMING_NAMES = (
    "rr_prev",  # s
    "rr_next",  # s
    "prev_over_next",  # "over": logarithm of the ratio
    "prev_over_recent",  # recent: median of the last 8
    "next_over_recent",
    "prev_over_long",  # long: median of the last 48
    "prev_over_slow",  # slow: their 80th percentile, near the sinus cycle even where premature beats are the majority
    "next_over_slow",
    "prev_over_last",  # last: the interval before
    "last_over_slow",
    "prev_over_steady",  # steady: 80th percentile of the last 256, so that runs of a minute or two still stand out
    "next_over_steady",
    "both_over_steady",  # the sum of both intervals over twice steady: near 1 with a full compensatory pause
    "prev_over_usual",  # usual: median of the last 256
    "usual_over_steady",
    "recent_over_steady",
    "prev_over_pause",  # pause: 90th percentile of the last 48
    "prev_over_longest",  # longest: 95th percentile of the last 256
    "largest_drop",  # most negative change from one RR to the next in the last 64
    "irregularity",  # log of the mean absolute change from one log RR to the next over the last 8
    "irregularity_long",  # over the last 32
    "irregularity_usual",  # of their median: ectopic beats now and then leave it, atrial fibrillation does not
    "irregularity_every_other",  # of the median change from one RR to the next but one: low in bigeminy
    "prev_surprise",  # prev_over_long in units of the usual irregularity, limited
    "prev_rank",  # share of the last 48 that were shorter
    "prev_rank_usual",  # of the last 256
    "second_last_over_slow",
    "run_over_before",  # run: beats at one rate since it suddenly rose; before: the interval till then; 0 out of runs
    "run_length",  # logarithm of its beats
)

_NEUTRAL_S = 0.8
"""RR taken where nothing is known yet: 75/min."""
_SHORTEST_S = 0.15
_STEADY = 0.01
"""Change of log RR that is as good as none, at the resolution of samples."""
_SURPRISE = 8.0
"""Where a surprise is total; beyond it differences mean nothing."""
_RISE = 0.2
"""Drop of log RR by which a run begins."""
_SAME_RATE = 0.15
_RUN_RATE = 0.2
"""How fast a run's interval follows its beats."""
LONGEST_S = 2.0
"""What intervals are clipped to; also what stands for no beat within the wait."""


class _Horizon:
    """The last `n` values, in order of size."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._queue: deque[float] = deque()
        self.ordered: list[float] = []

    def add(self, value: float) -> None:
        self._queue.append(value)
        bisect.insort(self.ordered, value)
        if len(self._queue) > self._n:
            del self.ordered[bisect.bisect_left(self.ordered, self._queue.popleft())]

    def at(self, share: float, default: float) -> float:
        ordered = self.ordered
        return ordered[int(len(ordered) * share)] if ordered else default


class Timing:
    """RR intervals of the past, as logarithms of seconds."""

    def __init__(self) -> None:
        self._recent, self._long, self._steady = _Horizon(8), _Horizon(48), _Horizon(256)
        self._changes, self._others = _Horizon(32), _Horizon(32)
        self._last: deque[float] = deque(maxlen=3)
        self._steps: deque[float] = deque(maxlen=64)
        self._run = _Run()

    def features(self, prev_s: float | None, next_s: float | None, *, remember: bool = True) -> list[float]:
        """Describe a beat, then remember it.

        Parameters
        ----------
        prev_s, next_s : float or None
            Intervals to the beats before and after; None where there is none to be known.
        remember : bool
            Whether the interval before it is one that later beats are compared with.

        Returns
        -------
        list of float
            One per name in `TIMING_NAMES`.
        """
        unknown = math.log(_NEUTRAL_S) if next_s is None else _log(next_s)
        recent = self._recent.at(0.5, unknown)
        before = recent if prev_s is None else _log(prev_s)
        after = _log(LONGEST_S if next_s is None else next_s)
        features = self._intervals(before, after, recent) + self._irregularity(before, recent)
        if remember and prev_s is not None:
            self._remember(before)
        return features

    def _intervals(self, before: float, after: float, recent: float) -> list[float]:
        long, slow = self._long.at(0.5, recent), self._long.at(0.8, recent)
        usual, steady = self._steady.at(0.5, recent), self._steady.at(0.8, recent)
        last = self._last[-1] if self._last else recent
        prev_s, next_s = math.exp(before), math.exp(after)
        return [
            prev_s,
            next_s,
            before - after,
            before - recent,
            after - recent,
            before - long,
            before - slow,
            after - slow,
            before - last,
            last - slow,
            before - steady,
            after - steady,
            math.log((prev_s + next_s) / 2) - steady,
            before - usual,
            usual - steady,
            recent - steady,
            before - self._long.at(0.9, recent),
            before - self._steady.at(0.95, recent),
        ]

    def _irregularity(self, before: float, recent: float) -> list[float]:
        steps = list(self._steps)
        usual = self._changes.at(0.5, 0.0)
        ordered = self._long.ordered
        return [
            min(steps, default=0.0),
            _log_size(_mean_size(steps[-8:])),
            _log_size(_mean_size(steps[-32:])),
            _log_size(usual),
            _log_size(self._others.at(0.5, 0.0)),
            math.tanh((before - self._long.at(0.5, recent)) / (usual + 0.03) / _SURPRISE),
            _rank(ordered, before),
            _rank(self._steady.ordered, before),
            (self._last[-2] if len(self._last) > 1 else recent) - self._long.at(0.8, recent),
            *self._run.follow(before, self._last),
        ]

    def _remember(self, rr: float) -> None:
        if self._last:
            self._steps.append(rr - self._last[-1])
            self._changes.add(abs(rr - self._last[-1]))
        if len(self._last) > 1:
            self._others.add(abs(rr - self._last[-2]))
        self._last.append(rr)
        for horizon in (self._recent, self._long, self._steady):
            horizon.add(rr)


class _Run:
    """Beats at one rate since it suddenly rose; however long it lasts, told from a rate that came about slowly."""

    def __init__(self) -> None:
        self._length = 0
        self._before = self._rr = 0.0

    def follow(self, rr: float, last: Sequence[float]) -> list[float]:
        """Take in the next interval, after up to three `last` ones; return depth and length of the run it is in."""
        if self._length and abs(rr - self._rr) < _SAME_RATE and rr < self._before - _RISE / 2:
            self._length += 1
            self._rr += _RUN_RATE * (rr - self._rr)
        else:
            before = sorted(last)[len(last) // 2] if last else rr
            self._length = 1 if rr < before - _RISE else 0
            self._before, self._rr = before, rr
        return [self._rr - self._before, math.log1p(self._length)] if self._length else [0.0, 0.0]


def _rank(ordered: Sequence[float], value: float) -> float:
    return bisect.bisect_left(ordered, value) / len(ordered) if ordered else 0.5


def _log(rr_s: float) -> float:
    return math.log(min(max(rr_s, _SHORTEST_S), LONGEST_S))


def _log_size(change: float) -> float:
    return math.log(change + _STEADY)


def _mean_size(steps: list[float]) -> float:
    return sum(map(abs, steps)) / len(steps) if steps else 0.0
