"""What the ventricles do, from the signal itself: how likely they flutter or fibrillate, whatever beats are found."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge.features import waves
from edge.features.waves import HISTORY, STEP, WINDOW_S
from edge.inference.trees import TreeModel
from edge.messages import FS_HZ, Gap, LeadState, Likelihood, Message, Quality, Samples

LEAST_EVENNESS = 0.4
"""Evenness of change below which a QRS complex stands out in a lead; in annotated flutter and fibrillation it is 0.5
and more."""
LEAST_HEIGHT = math.log(0.01)
"""Of waves, logarithm of the root mean square in mV: what is smaller is noise. Fine fibrillation has some 0.03 mV."""
MEMORY = 3
"""Seconds over which the log odds are averaged, exponentially."""
LIMIT = 4.0
"""Log odds beyond which a second is not more certain."""
QUIET = -2.0
"""Averages below this are all the same, and said once."""

_EVENNESS, _HEIGHT = waves.NAMES.index("change_evenness"), waves.NAMES.index("height")
_BEFORE = HISTORY * STEP
_READABLE: tuple[LeadState, ...] = ("good", "noisy")
_SEEN: tuple[LeadState, ...] = (*_READABLE, "flat")


class Ventricles:
    """Stage that judges every second whether the last four show ventricular flutter or fibrillation.

    Each lead that can be read is judged by itself; the mean of their log odds counts, averaged over time. A
    `Likelihood` of kind ``vf`` is told as long as there is any doubt. Where no lead can be read nothing is known, and
    the average goes back to where nothing is said either way. Everything that comes in is passed on.

    Parameters
    ----------
    model : TreeModel
        Of what `edge.features.waves` measures.
    n_leads : int
        Leads of the stream.
    """

    def __init__(self, model: TreeModel, n_leads: int) -> None:
        self._model = model
        self._n_leads = n_leads
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._average = -LIMIT
        self._told = -LIMIT
        self._restart()

    def push(self, message: Message) -> Iterable[Message]:
        """Take a message in; judgements come before the block that completes their second."""
        if isinstance(message, Samples):
            return [*self._on_samples(message), message]
        if isinstance(message, Quality):
            self._quality.append(message)
        elif isinstance(message, Gap) and not message.bridged:
            self._restart()
        return (message,)

    def flush(self) -> Iterable[Message]:
        """Nothing is held that could be said."""
        return ()

    def _restart(self) -> None:
        self._second: int | None = None  # the one that is judged next
        self._held: NDArray[np.float32] = np.zeros((0, self._n_leads), np.float32)
        self._start = 0  # sample of the first value held
        self._sums = np.zeros((0, self._n_leads, waves.SUMS))  # of the seconds before it, up to WINDOW_S - 1
        self._quality: deque[Quality] = deque()

    def _on_samples(self, block: Samples) -> list[Likelihood]:
        if self._second is None:
            self._second = -(-block.start // FS_HZ)
            # What was before is not known: as if it had been what it was at first.
            self._held = np.repeat(block.mv[:1], _BEFORE, axis=0)
            self._start = block.start - _BEFORE
        self._held = np.concatenate([self._held, block.mv])
        seconds = block.end // FS_HZ - self._second
        if seconds <= 0:
            return []
        first = self._second * FS_HZ - _BEFORE - self._start
        used = self._held[first : first + _BEFORE + seconds * FS_HZ]
        fresh = waves.sums(waves.thin(used))
        self._held = self._held[first + seconds * FS_HZ :]
        self._start = (self._second + seconds) * FS_HZ - _BEFORE
        return self._judge(fresh, block.lag)

    def _judge(self, fresh: NDArray[np.float64], lag: int) -> list[Likelihood]:
        """Judge each of these seconds with those before it."""
        second = self._second or 0
        self._second = second + len(fresh)
        sums = np.concatenate([self._sums, fresh])
        self._sums = sums[len(sums) - min(WINDOW_S - 1, len(sums)) :]
        if len(sums) < WINDOW_S:
            return []
        windows = np.lib.stride_tricks.sliding_window_view(sums, WINDOW_S, axis=0).swapaxes(2, 3)
        measured = waves.measure(windows)
        suspect = (measured[:, :, _EVENNESS] >= LEAST_EVENNESS) & (measured[:, :, _HEIGHT] >= LEAST_HEIGHT)
        out: list[Likelihood] = []
        for i, any_suspect in enumerate(suspect.any(axis=1).tolist(), start=second + len(fresh) - len(windows)):
            row = i - (second + len(fresh) - len(windows))
            if any_suspect or self._average > -LIMIT:
                self._average += (self._odds(measured[row], suspect[row], i) - self._average) / MEMORY
                out += self._tell((i + 1) * FS_HZ, lag)
        self._forget_quality()
        return out

    def _odds(self, measured: NDArray[np.float64], suspect: NDArray[np.bool_], second: int) -> float:
        """Return the mean log odds of the leads that can be read or are flat (no waves); 0 if there are none."""
        end = (second + 1) * FS_HZ
        leads = self._in(_SEEN, end - WINDOW_S * FS_HZ, end)
        if not leads:
            return 0.0
        moving = set(self._in(_READABLE, end - FS_HZ, end))
        odds = [
            self._model.log_odds(measured[lead].tolist()) if suspect[lead] and lead in moving else -LIMIT
            for lead in leads
        ]
        return max(min(sum(odds) / len(odds), LIMIT), -LIMIT)

    def _in(self, states: tuple[LeadState, ...], start: int, end: int) -> list[int]:
        """Return the leads that are in one of these states all the while."""
        leads = list(range(self._n_leads))
        for quality in self._quality:
            if quality.start < end and start < quality.start + quality.n:
                leads = [lead for lead in leads if quality.leads[lead] in states]
        return leads

    def _tell(self, end: int, lag: int) -> list[Likelihood]:
        average = -LIMIT if self._average < QUIET else self._average
        if average == self._told == -LIMIT:
            return []
        self._told = average
        return [Likelihood(kind="vf", sample=end - 1, log_odds=round(average, 4), decided=end + lag)]

    def _forget_quality(self) -> None:
        oldest = ((self._second or 0) + 1 - WINDOW_S) * FS_HZ
        while self._quality and self._quality[0].start + self._quality[0].n <= oldest:
            self._quality.popleft()
