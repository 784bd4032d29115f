"""A pacemaker's spikes: found in the samples as they come, marked, and taken out before filters make waves of them.

A spike lasts 0.1 to 2 ms (IEC 60601-2-27 201.12.1.101.12) and so fills one to three samples, a few more at a high rate.
It is told from a QRS complex by what surrounds it: a straight, quiet line on both sides, against which the narrowest R
wave still has its flanks. In its place a straight line is drawn. A spike amid a QRS complex stays in it.

Below 220 Hz two samples are half of a narrow QRS complex, so the line must be quieter there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_MV = 0.1
"""Smaller ones are nothing after conditioning."""

SHARES = ((0.0085, 0.3), (0.0126, 0.2), (np.inf, 0.08))
"""How wide a spike may be in s, and how much of it the line around it may depart from a straight one: the wider, the
more it might be an R wave. At 360 and at 250 Hz no QRS complex of a heart without a pacemaker in the MIT-BIH Arrhythmia
Database passes but for some of 0.2 mV."""

NOISY_SHARE, NOISE_RANGE = 0.35, 3.0
"""What noise explains may be this share: so many times the median change from one sample to the next."""

FASTEST_MV_PER_S = 500.0
"""No QRS complex rises as fast; a filter rings after what does."""

RINGS = 2
"""So many times its width a spike rings that rises as fast."""

RETURN_SHARE = 0.5
"""What does not come back by as much of its height is a step."""

STEEP_SHARE = 0.4
"""This much of the line's rise may not be more than that share either."""

NOISE_RATIO = 8.0
"""A spike against the median change from one sample to the next."""

_NOISE_S = 0.11
_BEFORE_S, _AFTER_S = 0.011, 0.005

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


class Spike(NamedTuple):
    """A pacing spike in the source's own numbers.

    Attributes
    ----------
    sample : int
        Where it is largest.
    lead : int
        The lead it is largest in.
    amplitude_mv : float
        Its height there, against the line.
    known : int
        Samples that had to come for it to be known.
    """

    sample: int
    lead: int
    amplitude_mv: float
    known: int


class Reach(NamedTuple):
    """How many samples a spike may fill, and how many are looked at around it.

    Attributes
    ----------
    width : int
        Most samples of a spike.
    before, after : int
        Samples of the line on both sides.
    noise : int
        Samples before it from which noise is measured.
    """

    width: int
    before: int
    after: int
    noise: int

    @property
    def ahead(self) -> int:
        """How many samples later than its own time a sample is known to be none of a spike."""
        return self.width - 1 + self.after

    @classmethod
    def at(cls, fs_hz: float) -> Reach:
        """Return the reach at a sampling rate."""
        width = 1 if fs_hz < 120 else 2 if fs_hz < 220 else max(3, round(0.008 * fs_hz))
        after = max(2, round(_AFTER_S * fs_hz))
        return cls(width, max(4, round(_BEFORE_S * fs_hz)), after, round(_NOISE_S * fs_hz))


class Pacing:
    """Takes the spikes out of the samples of one segment, `Reach.ahead` samples later than they come.

    Parameters
    ----------
    fs_hz : float
        Rate of the source.
    start : int
        Number of the first sample that will be given.
    first : float64 array, shape (n_leads,)
        Its values, taken to have been the same before.
    """

    def __init__(self, fs_hz: float, start: int, first: Floats) -> None:
        self._reach = reach = Reach.at(fs_hz)
        self._share = next(share for width_s, share in SHARES if reach.width / fs_hz <= width_s)
        self._big = FASTEST_MV_PER_S / fs_hz
        # The smallest spike rises within half of its samples, or falls, by a step as steep.
        self._step = LEAST_MV / ((reach.width + 1) // 2)
        place = np.r_[-reach.before : 0, reach.width : reach.width + reach.after]
        self._outside = place
        self._from_middle = place - place.mean()
        self._inside = np.arange(reach.width)
        self._inside_and_near = np.arange(-1, reach.width + 1)
        self._past = max(reach.before, reach.noise) + 1
        self._mv = np.repeat(first[None], self._past, axis=0)
        self._bad = np.zeros(self._mv.shape, bool)
        self._origin = start - self._past
        self._patches: dict[tuple[int, int], tuple[float, float]] = {}
        self._last_big = [start] * len(first)
        self._known_from = start + reach.noise  # noise is not known before
        self._last = start  # where the last one found may begin

    def take(self, mv: Floats, bad: Flags) -> tuple[Floats, Flags, list[Spike]]:
        """Take samples in.

        Parameters
        ----------
        mv : float64 array, shape (n, n_leads)
            The next samples.
        bad : bool array of the same shape
            Where a value was filled in: no spike is seen there.

        Returns
        -------
        tuple
            Samples and flags, `Reach.ahead` behind, without the spikes; and the spikes.
        """
        self._mv = np.concatenate([self._mv, mv])
        self._bad = np.concatenate([self._bad, bad])
        first, after = self._past, len(self._mv) - self._reach.ahead
        if after <= first:
            return self._mv[:0], self._bad[:0], []
        spikes = self._find(first, after)
        clean, flags = self._mv[first:after], self._bad[first:after]
        if self._patches:
            clean = self._patched(clean, self._origin + first)
        drop = after - self._past
        self._mv, self._bad, self._origin = self._mv[drop:], self._bad[drop:], self._origin + drop
        return clean, flags, spikes

    def _find(self, first: int, after: int) -> list[Spike]:
        """Return the spikes that may begin at rows [first, after), and note what they are to be replaced with."""
        near = self._mv[first - 1 : after + self._reach.width]
        step = near[1:] - near[:-1]
        flat = np.flatnonzero(np.abs(step) >= self._step)
        if len(flat) < 2:
            return []
        found: list[tuple[int, int, float, int]] = []
        n_leads = step.shape[1]
        rows, down = flat // n_leads, step.ravel()[flat] < 0
        for lead in range(n_leads):
            here = flat - rows * n_leads == lead if n_leads > 1 else slice(None)
            starts = self._starts(rows[here], down[here], after - first)
            if len(starts):
                found += self._find_in(lead, starts + first)
        return self._told(sorted(found))

    def _starts(self, steps: Numbers, down: Flags, n: int) -> Numbers:
        """Return the rows, of n, at which spikes may begin that go one way and back by two of these steps."""
        width = self._reach.width
        turns = np.zeros(len(steps), bool)
        for apart in range(1, min(width + 1, len(steps))):
            # Of steps in order, one of the next `width` ones is the way back.
            turns[:-apart] |= (down[apart:] != down[:-apart]) & (steps[apart:] - steps[:-apart] <= width)
        begin: Numbers = steps[turns]
        if not len(begin):
            return begin
        may = np.zeros(n + 2 * width, bool)
        for back in range(width):
            may[begin + (width - back)] = True
        found: Numbers = np.flatnonzero(may[width : width + n])
        return found

    def _find_in(self, lead: int, starts: Numbers) -> list[tuple[int, int, float, int]]:
        """Return begin, lead, height and place of the spikes in a lead, all that begin at these rows and pass."""
        mv = self._mv[:, lead]
        inside = mv[starts[:, None] + self._inside_and_near]
        left, right = inside[:, 0], inside[:, -1]
        height = np.abs(inside - ((left + right) / 2)[:, None]).max(axis=1)
        # Its near surroundings are level, which leaves few to be looked at more closely.
        starts = starts[(height >= LEAST_MV) & (np.abs(right - left) <= height)]
        if not len(starts):
            return []
        around = mv[starts[:, None] + self._outside]
        middle, slope = _line(around, self._from_middle)
        rest = around - middle[:, None] - slope[:, None] * self._from_middle
        line = middle[:, None] + slope[:, None] * (self._inside - self._outside.mean())
        above = mv[starts[:, None] + self._inside] - line
        height = np.abs(above).max(axis=1)
        rise = STEEP_SHARE * np.abs(slope) * (self._from_middle[-1] - self._from_middle[0])
        uneven = np.maximum(rest.max(axis=1) - rest.min(axis=1), rise)
        found = []
        for i in np.flatnonzero((uneven <= NOISY_SHARE * height) & (height >= LEAST_MV)).tolist():
            begin = int(starts[i])
            if not self._stands_out(begin, lead, float(height[i]), float(uneven[i])):
                continue
            self._replace(begin, lead, float(uneven[i] / height[i]), line[i].tolist())
            most = int(np.argmax(np.abs(above[i])))
            found.append((begin, lead, float(above[i, most]), begin + most))
        return found + self._find_big(lead, starts)

    def _find_big(self, lead: int, starts: Numbers) -> list[tuple[int, int, float, int]]:
        """Return the same of those that no QRS complex rises as fast as; they may ring."""
        mv, reach = self._mv[:, lead], self._reach
        found = []
        steps = np.abs(mv[starts] - mv[starts - 1])
        for begin in starts[steps >= self._big].tolist():
            before = mv[begin - reach.before : begin]
            level = float(before[-2:].sum()) / 2
            above = mv[begin : begin + reach.width] - level
            height = float(np.abs(above).max())
            uneven = float(before.max() - before.min())
            left = abs(float(mv[begin + reach.ahead]) - level)
            if left > RETURN_SHARE * height or not self._stands_out(begin, lead, height, uneven):
                continue
            rings = RINGS if self._origin + begin - self._last_big[lead] > reach.width else 0
            self._last_big[lead] = self._origin + begin
            self._replace(begin, lead, uneven / height, [level] * (reach.width * (1 + rings)))
            most = int(np.argmax(np.abs(above)))
            found.append((begin, lead, float(above[most]), begin + most))
        return found

    def _replace(self, begin: int, lead: int, uneven: float, line: list[float]) -> None:
        """Note what is to stand in the place of a spike; of those that overlap, the line that is the most even."""
        for at, value in enumerate(line, start=self._origin + begin):
            known = self._patches.get((at, lead))
            if known is None or uneven < known[0]:
                self._patches[at, lead] = uneven, value

    def _stands_out(self, begin: int, lead: int, height: float, uneven: float) -> bool:
        """Return whether the line is even enough, noise known and far lower, and no value around filled in."""
        reach = self._reach
        if self._origin + begin < self._known_from:
            return False
        before = self._mv[begin - reach.noise : begin, lead]
        noise = float(np.median(np.abs(before[1:] - before[:-1])))
        if height < NOISE_RATIO * noise or uneven > max(self._share * height, NOISE_RANGE * noise):
            return False
        return not self._bad[begin - reach.before : begin + reach.width + reach.after, lead].any()

    def _told(self, found: list[tuple[int, int, float, int]]) -> list[Spike]:
        """Return one spike of all that overlap, over all leads."""
        spikes = []
        for i, (begin, *_) in enumerate(found):
            if i and begin == found[i - 1][0]:
                continue
            at = self._origin + begin
            if at - self._last > self._reach.width:
                _, lead, height, place = max((one for one in found if one[0] == begin), key=lambda one: abs(one[2]))
                known = at + self._reach.ahead + 1
                spikes.append(Spike(self._origin + place, lead, height, known))
            self._last = at
        return spikes

    def _patched(self, clean: Floats, origin: int) -> Floats:
        """Return samples from number `origin` on with the lines drawn that lie among them."""
        clean = clean.copy()
        end = origin + len(clean)
        for (sample, lead), (_, value) in list(self._patches.items()):
            if sample < end:
                clean[sample - origin, lead] = value
                del self._patches[sample, lead]
        return clean


def _line(values: Floats, place: Floats) -> tuple[Floats, Floats]:
    """Return mean and slope of each row's straight line of least squares over places whose mean is 0.

    Summed column by column, so that the rows beside one do not matter.
    """
    total, moment = np.zeros(len(values)), np.zeros(len(values))
    for column, at in zip(values.T, place.tolist(), strict=True):
        total += column
        moment += at * column
    return total / len(place), moment / float((place * place).sum())
