"""The board's clock against the host's: drift in ppm, and when a sample was taken.

Two clocks run at slightly different rates, and what the host sees of the board's comes late by a delay that is never
negative and often short. From each stretch of ten seconds only the observation that was least delayed is kept; a line
through those of the last ten minutes is the relation of the clocks. A board's clock is no more believed than it can be
right: one that jumps is taken up anew where samples and host say that it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np

WINDOW_S = 10.0
N_WINDOWS = 60
# Observations this far apart, each right to a millisecond, say enough of the rate to look ten seconds ahead …
_MIN_SPAN_S = 15.0
# … and this far apart they give it to about 50 ppm, which is worth telling.
_TOLD_SPAN_S = 40.0
_STEP_WINDOWS = 3
_ANCHOR_EVERY_S = 1.0
_ANCHORS = 3600
_WRAP_US = 1 << 32
TOLD_PPM = 2000.0
"""No clock is further off: more is no drift, but a rate that is another than was said, or a stretch without samples."""
_MOST_SLOPE = 0.01
# So far may observations depart from the line before it is the line that is wrong.
_STEP_S = 0.25
# Between one block and the next a board's clock agrees with the number of samples, to this and to a share.
_JUMP_S, _JUMP_SHARE = 0.5, 0.02
# A block is no later than that as long as nothing is wrong.
_LATE_S = 2.0


class LeastDelayed:
    """A line through the least delayed observations of `host = board + offset`, all in seconds.

    Parameters
    ----------
    most_slope : float
        By how much the clocks may differ, as a fraction.
    """

    def __init__(self, most_slope: float = _MOST_SLOPE) -> None:
        self._most_slope = most_slope
        self._closed: deque[tuple[float, float]] = deque(maxlen=N_WINDOWS)
        self._open: tuple[float, float, float] | None = None
        self._window = 0
        self._line = (0.0, 0.0, 0.0)

    @property
    def known(self) -> bool:
        """Whether there was any observation."""
        return self._open is not None

    def add(self, board_s: float, host_s: float, delay_s: float) -> None:
        """Take in that the host's clock said `host_s`, late by about `delay_s`, when the board's said `board_s`."""
        if self._open is not None and host_s < self.host(board_s) - _STEP_S:
            # Nothing arrives before it was sent: all before were late, or the board's clock has jumped.
            self._closed.clear()
            self._open = None
        window = int(board_s // WINDOW_S)
        just_closed = self._open is not None and window != self._window
        if self._open is not None and just_closed:
            self._closed.append(self._open[1:])
            self._open = None
            self._forget_before_step()
        self._window = window
        if self._open is None or delay_s < self._open[0]:
            self._open = (delay_s, board_s, host_s - board_s)
            if len(self._closed) < 3 or just_closed:
                self._fit()

    def host(self, board_s: float) -> float:
        """Return what the host's clock said when the board's said `board_s`."""
        at, offset, slope = self._line
        return board_s + offset + slope * (board_s - at)

    @property
    def slope(self) -> float | None:
        """How much faster the host's clock runs than the board's, as a fraction; None until it can be told."""
        return self._line[2] if self._span_s() >= _TOLD_SPAN_S else None

    def _forget_before_step(self) -> None:
        """Begin anew where the latest observations all depart from the line alike: samples were lost unnoticed."""
        latest = list(self._closed)[-_STEP_WINDOWS:]
        off = [at + offset - self.host(at) for at, offset in latest]
        if len(self._closed) > _STEP_WINDOWS and (min(off) > _STEP_S or max(off) < -_STEP_S):
            self._closed.clear()
            self._closed.extend(latest)
            self._fit()

    def _span_s(self) -> float:
        return self._closed[-1][0] - self._closed[0][0] if self._closed else 0.0

    def _fit(self) -> None:
        # The window still open has perhaps seen only late ones: it counts while there is little else.
        if self._span_s() < _MIN_SPAN_S:
            recent = [*self._closed][-1:] + ([self._open[1:]] if self._open else [])
            self._line = (0.0, min(offset for _, offset in recent), 0.0)
            return
        x, y = np.array(self._closed).T
        # The median of all slopes between two: a stretch that was late bends nothing.
        first, second = np.triu_indices(len(x), 1)
        apart = x[second] != x[first]
        slopes = (y[second] - y[first])[apart] / (x[second] - x[first])[apart]
        slope = float(np.clip(np.median(slopes), -self._most_slope, self._most_slope))
        self._line = (float(x.mean()), float(np.median(y - slope * (x - x.mean()))), slope)


class SampleClock:
    """Tells when a sample was taken, on the host's clock.

    Parameters
    ----------
    fs_hz : float
        Nominal rate; used between the board times that are known.
    most_slope : float
        By how much the board may be faster or slower than it says, as a fraction.
    """

    def __init__(self, fs_hz: float, most_slope: float = _MOST_SLOPE) -> None:
        self._fs_hz = fs_hz
        self._arrivals = LeastDelayed(most_slope)
        self._pongs = LeastDelayed()
        self._samples: deque[int] = deque(maxlen=_ANCHORS)
        self._boards: deque[float] = deque(maxlen=_ANCHORS)
        self._last = (0, 0.0)
        self._us: int | None = None
        self._wraps = 0
        self._shift_s = 0.0

    @property
    def drift_ppm(self) -> float | None:
        """How much faster the board's clock runs than the host's, in parts per million.

        None until it can be told, and where it would be more than any clock's, `TOLD_PPM`.
        """
        slope = (self._pongs if self._pongs.slope is not None else self._arrivals).slope
        return None if slope is None or abs(slope) * 1e6 > TOLD_PPM else -slope * 1e6

    def block(self, first: int, n: int, host_s: float, board_us: int | None = None) -> None:
        """Take in that samples `first` to `first + n` were there at `host_s`, the first taken at `board_us`."""
        first_s = first / self._fs_hz
        if board_us is not None:
            first_s = self._believed_s(self._unwrap(board_us), first, n, host_s)
            self._last = (first, first_s)
            if not self._boards or first_s - self._boards[-1] >= _ANCHOR_EVERY_S:
                self._samples.append(first)
                self._boards.append(first_s)
        # A block leaves the board when its last sample has been taken.
        end_s = first_s + n / self._fs_hz
        self._arrivals.add(end_s, host_s, host_s - self._arrivals.host(end_s))

    def pong(self, board_us: int, sent_s: float, received_s: float) -> None:
        """Take in the answer to a ping: the board read `board_us` somewhere between `sent_s` and `received_s`."""
        board_s = self._unwrap(board_us) + self._shift_s
        middle_s = (sent_s + received_s) / 2
        if self._arrivals.known and abs(middle_s - self._arrivals.host(board_s)) > _LATE_S:
            return
        self._pongs.add(board_s, middle_s, received_s - sent_s)

    def lateness_s(self, first: int, n: int, host_s: float) -> float:
        """Return by how much a block that has no board time came later than blocks usually do."""
        return host_s - self._arrivals.host((first + n) / self._fs_hz)

    def host_s(self, sample: int) -> float:
        """Return the host's time at which a sample was taken."""
        line = self._pongs if self._pongs.known else self._arrivals
        return line.host(self._board_s(sample))

    def _board_s(self, sample: int) -> float:
        if not self._samples:
            return sample / self._fs_hz
        first, board_s = self._last
        if sample < first:
            at = max(bisect_right(self._samples, sample) - 1, 0)
            first, board_s = self._samples[at], self._boards[at]
        return board_s + (sample - first) / self._fs_hz

    def _believed_s(self, board_s: float, first: int, n: int, host_s: float) -> float:
        """Return a board's time, shifted to where it must be if it has jumped."""
        said_s = board_s + self._shift_s
        if not self._samples:
            return said_s
        before, before_s = self._last
        elapsed_s = (first - before) / self._fs_hz
        fits = self._fits(said_s, first)
        late_s = host_s - self._arrivals.host(said_s + n / self._fs_hz)
        if not fits and not (said_s > before_s and -_STEP_S < late_s < _JUMP_S):
            self._shift_s += before_s + elapsed_s - said_s
        return board_s + self._shift_s

    def _fits(self, said_s: float, first: int) -> bool:
        before, before_s = self._last
        elapsed_s = (first - before) / self._fs_hz
        return abs(said_s - before_s - elapsed_s) <= _JUMP_S + _JUMP_SHARE * abs(elapsed_s)

    def agrees(self, first: int, board_us: int) -> bool:
        """Whether a sample of this number may have been taken when the board's clock said `board_us`."""
        before_us, wraps = self._us, self._wraps
        said_s = self._unwrap(board_us) + self._shift_s
        self._us, self._wraps = before_us, wraps
        return bool(self._samples) and self._fits(said_s, first)

    def _unwrap(self, board_us: int) -> float:
        """Return the board's time in seconds; it comes in µs modulo 2^32 and not always in order."""
        if self._us is not None:
            step = board_us - self._us
            self._wraps += (step < -_WRAP_US // 2) - (step > _WRAP_US // 2)
        self._us = board_us
        return (self._wraps * _WRAP_US + board_us) * 1e-6
