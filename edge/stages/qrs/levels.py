"""What a lead's detection function is like: at its QRS complexes, on average, and in its noise.

Learned hop by hop, from signal only: hops in which a lead shows none, or a jump that no QRS complex makes, are left
out, as if they had not been; so a lead is known at once when it comes back.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

_WINDOWS, _WINDOW = 6, 2
"""The level of QRS complexes in a lead is the second lowest of its peaks in the last six seconds, each by itself: a
lead that shows every beat is worth more than one that shows only some, however large. While there are few it is the
lowest."""

_FEW_WINDOWS = 3

HELD, HELD_SHARE = 0.95, 0.15
"""A level does not fall below this share of its highest, which itself loses a twentieth every half second: a pause
does not make a lead forget its QRS complexes."""

JUMP, JUMP_RISE = 8.0, 3.0
"""A peak this many times the level, and so many times the highest of the last half minute, is no QRS complex: a
defibrillator, an electrode that is pressed …"""

JUMP_HOPS = 3
"""… unless it goes on: then the gain has changed, and the lead is learned anew."""

_PEAKS = _WINDOWS * _WINDOW
_KEPT = 3 * _PEAKS
_ENOUGH = 3
_LATELY = 60
_MEAN_HOPS = 8
_NOISE_HOPS = 4

NOISE_RATIO = 0.62
"""Median change within 8 ms over that within 42 ms from which broadband noise is most of a lead: it has 0.7 after
conditioning, fibrillation and flutter 0.2."""

NOISE_FUNCTION = 0.57
"""What broadband noise makes of the detection function on average, over its median change within 8 ms."""

NOISE_CONTRAST = 3.2
"""Of that average, up to which a peak may be noise; noise exceeds it once in some minutes."""

NOISE_LEVEL = 2.5
"""Of that average, up to which a level may be that of noise: of most peaks, not of the highest."""

LOST_SHARE, SHOWN_SHARE, SHOWN_CONTRAST = 1 / 3, 0.9, 3.0
"""A lead that has come off: for a second and a half it shows less than this share of its highest level, while another
lead shows this share of its own level, and so many times its average, as only QRS complexes do."""

_SHORT, _LONG = 3, 15
_NOW = 3

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Levels:
    """Levels of each lead of one segment.

    Parameters
    ----------
    n_leads : int
        Leads.
    least : int
        Hops with signal that a lead is weighed by at least.

    Attributes
    ----------
    hops : int
        Hops taken in so far.
    learned : int or None
        The first hop before which some lead was learned from enough; None if none was.
    active : list of bool
        Whether any lead showed signal, for each hop up to `learned`.
    """

    def __init__(self, n_leads: int, least: int) -> None:
        self._least = least
        self.hops = 0
        self.learned: int | None = None
        self.active: list[bool] = []
        self._leads = [_Lead() for _ in range(n_leads)]
        self._off = np.zeros(n_leads, bool)

    def add(self, mv: Floats, function: Floats, valid: Flags, active: Flags) -> None:
        """Take in hops.

        Parameters
        ----------
        mv, function : float64 array, shape (n_hops, length, n_leads)
            Clean samples and detection function.
        valid, active : bool array of the same shape
            Whether they can be trusted, and whether the lead also showed signal.
        """
        n_valid = valid.sum(axis=1)
        usable = (2 * n_valid >= valid.shape[1]) & active.any(axis=1)
        peaks, means = function.max(axis=1), function.sum(axis=1) / np.maximum(n_valid, 1)
        rows = np.stack([peaks, means, _median_change(mv, _SHORT), _median_change(mv, _LONG)], axis=2)
        for i, lead in enumerate(self._leads):
            lead.add(usable[:, i], rows[:, i])
        if self.learned is None:
            self.active += active.any(axis=(1, 2)).tolist()
            counts = np.max([lead.counts[-len(mv) :, 0] for lead in self._leads], axis=0)
            enough = np.flatnonzero(counts >= self._least)
            self.learned = self.hops + 1 + int(enough[0]) if len(enough) else None
        self.hops += len(mv)

    def weigh(self, hops: NDArray[np.int64], least: int | None = None) -> Floats:
        """Return what leads are measured by, learned from the hops before each of these.

        A lead of which nothing but noise is seen has no weight while another shows more, and neither has one that shows
        nothing of what another shows.

        Parameters
        ----------
        hops : int64 array, shape (n,)
            In order, and none before those asked for last.
        least : int, optional
            Fewest hops to be weighed by, if not the usual.

        Returns
        -------
        float64 array, shape (n, 4, n_leads)
            Weight, level at the usual QRS complex, average, and average of the noise.
        """
        table = np.stack([lead.weigh(hops, least or self._least) for lead in self._leads], axis=2)
        table, silent, shown = table[:, :4], table[:, 4], table[:, 5] > 0
        table[:, 0][self._lost(silent, shown & (table[:, 0] > 0))] = 0.0
        is_noise = table[:, 1] <= NOISE_LEVEL * table[:, 3]
        others = ((table[:, 0] > 0) & ~is_noise).any(axis=1)
        table[:, 0][is_noise & others[:, None]] = 0.0
        return table

    def _lost(self, silent: Floats, shown: Flags) -> Flags:
        """Return which leads have come off at each hop: from when another shows QRS complexes until they show some."""
        lost = np.zeros(silent.shape, bool)
        for i in range(len(silent)):
            self._off &= silent[i] > 0
            shows = shown[i] & (silent[i] == 0)
            if shows.any():
                self._off |= silent[i] >= _NOW
            lost[i] = self._off
        return lost


class _Lead:
    """The hops of one lead that counted, one after the other.

    Attributes
    ----------
    origin : int
        Hop of the first row of `counts`.
    counts : int64 array, shape (n, 2)
        How many hops counted before each hop: since the start, and since the lead was last learned anew.
    """

    def __init__(self) -> None:
        self.origin = 0
        self.counts = np.zeros((1, 2), np.int64)
        self._first = 0  # number of the first row kept, among those that counted
        self._rows = np.zeros((0, 4))  # peak, mean, short and long median change
        self._recent: deque[float] = deque(maxlen=_LATELY)
        self._jumps = 0
        self._highest = 0.0

    def add(self, usable: Flags, rows: Floats) -> None:
        """Take in hops."""
        peaks = rows[usable, 0]
        if self._jumps or self._may_jump(peaks):
            usable, since = self._without_jumps(usable, rows[:, 0])
        else:
            since = self.counts[-1, 1] + np.cumsum(usable)
            self._recent.extend(peaks[-_LATELY:].tolist())
        counts = np.stack([self.counts[-1, 0] + np.cumsum(usable), since], axis=1)
        keep = self.counts[-_KEPT:]
        self.origin += len(self.counts) - len(keep)
        self.counts = np.concatenate([keep, counts])
        kept = self._rows[-_KEPT:]
        self._first += len(self._rows) - len(kept)
        self._rows = np.concatenate([kept, rows[usable]])

    def _may_jump(self, peaks: Floats) -> bool:
        """Return whether there may be a jump among these peaks; no level is below the least of two peaks in a row."""
        if not len(peaks):
            return False
        known = np.concatenate([self._recent, peaks])
        least = np.maximum(known[1:], known[:-1]).min(initial=np.inf)
        return bool(peaks.max() > JUMP * least)

    def _without_jumps(self, usable: Flags, peaks: Floats) -> tuple[Flags, NDArray[np.int64]]:
        """Return which hops count, and how many did since the lead was last learned anew."""
        usable = usable.copy()
        since = np.zeros(len(usable), np.int64)
        count = int(self.counts[-1, 1])
        for hop, peak in enumerate(peaks.tolist()):
            if usable[hop] and self._is_jump(peak):
                self._jumps += 1
                usable[hop] = self._jumps == JUMP_HOPS
                if usable[hop]:
                    self._recent.clear()
                    count = 0
            if usable[hop]:
                self._jumps = 0
                self._recent.append(peak)
                count += 1
            since[hop] = count
        return usable, since

    def _is_jump(self, peak: float) -> bool:
        recent = self._recent
        if len(recent) < _ENOUGH or peak <= JUMP_RISE * max(recent):
            return False
        return peak > JUMP * _level(list(recent)[-_PEAKS:])

    def weigh(self, hops: NDArray[np.int64], least: int) -> Floats:
        """Return, for each hop, weight, level, average, noise, hops of silence, and whether it shows QRS complexes."""
        if not len(self._rows):
            return np.zeros((len(hops), 6))
        count, since = self.counts[np.minimum(hops - self.origin, len(self.counts) - 1)].T
        back = np.arange(_PEAKS)
        there = back < np.minimum(since, count - self._first)[:, None]
        rows = self._rows[np.where(there, count[:, None] - 1 - back - self._first, 0)]
        level = _levels(np.where(there, rows[:, :, 0], 0.0), there.sum(axis=1))
        mean = _mean(rows[:, :_MEAN_HOPS, 1], there[:, :_MEAN_HOPS])
        short, long = (_mean(rows[:, :_NOISE_HOPS, i], there[:, :_NOISE_HOPS]) for i in (2, 3))
        noise = np.where(short >= NOISE_RATIO * long, NOISE_FUNCTION * short, 0.0)
        # By what the lead shows now: a level that is held says nothing of that.
        contrast = level / np.maximum(mean, 1e-9)
        weight = np.where((since >= least) & (level > 0), np.maximum(contrast - 1.5, 0.05) ** 2, 0.0)
        highest = self._highest_of(level)
        newest = rows[:, :_NOW, 0] * there[:, :_NOW]
        silent = np.minimum.accumulate(there[:, :_NOW] & (newest < LOST_SHARE * highest[:, None]), axis=1).sum(axis=1)
        shown = newest.max(axis=1) >= np.maximum(SHOWN_SHARE * level, SHOWN_CONTRAST * mean)
        held = np.maximum(level, HELD_SHARE * highest)
        return np.stack([weight, held, mean, noise, silent, shown], axis=1)

    def _highest_of(self, levels: Floats) -> Floats:
        """Return the highest level so far at each hop; it fades."""
        highest = []
        for now in levels.tolist():
            self._highest = max(now, HELD * self._highest)
            highest.append(self._highest)
        return np.array(highest)


def _level(peaks: list[float]) -> float:
    """Return the level that these peaks make, the oldest first."""
    newest_first = np.zeros((1, _PEAKS))
    newest_first[0, : len(peaks)] = peaks[::-1]
    return float(_levels(newest_first, np.array([len(peaks)]))[0])


def _levels(peaks: Floats, n: NDArray[np.int64]) -> Floats:
    """Return the level of each row of peaks, the newest first, of which the first `n` are there."""
    windows = peaks.reshape(len(peaks), _WINDOWS, _WINDOW).max(axis=2)
    n_windows = n // _WINDOW
    windows[np.arange(_WINDOWS) >= n_windows[:, None]] = np.inf
    windows.sort(axis=1)
    level = np.where(n_windows > _FEW_WINDOWS, windows[:, 1], windows[:, 0])
    # Up to three hops are one window.
    return np.where(n < 2 * _WINDOW, peaks.max(axis=1), level)


def _mean(values: Floats, there: Flags) -> Floats:
    return np.asarray((values * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def _median_change(mv: Floats, step: int) -> Floats:
    """Return the median absolute change over `step` samples in each hop and lead."""
    if mv.shape[1] <= step:
        return np.zeros((mv.shape[0], mv.shape[2]))
    change = np.abs(mv[:, step:] - mv[:, :-step])
    middle = change.shape[1] // 2
    return np.asarray(np.partition(change, middle, axis=1)[:, middle])
