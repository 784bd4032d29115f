"""From R peaks to beats: the window around each, and its timing and shape against the past and one beat ahead.

A beat is decided when its window is complete and the next R peak is known, or `WAIT_S` after it if none comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.features.history import History
from edge.features.noise import Noise
from edge.features.window import BEFORE, LEADS, STEP, WINDOW, choose_leads, cut
from edge.messages import FS_HZ, MOST_LATE, Beat, Event, Gap, LeadState, Message, Quality, RPeak, Samples

WAIT_S = 1.9
"""How long a beat waits for the next one; slower than 36/min with the delay of detection it is judged without."""

_WAIT = round(WAIT_S * FS_HZ)
_BEFORE = BEFORE * STEP
_AFTER = (WINDOW - BEFORE) * STEP
_KEEP = MOST_LATE + _BEFORE
"""Clean samples kept although no beat waits for them: a peak may be told late, by search-back."""
_QRS = FS_HZ // 8
"""A lead is judged over R ± this many samples."""
_TRUSTED = 0.75
"""Share of valid samples that a lead needs there."""
_READABLE: tuple[LeadState, ...] = ("good", "noisy")
_BLIND: tuple[LeadState, ...] = ("off", "saturated")
"""Beats may have been missed where every lead was like that; a flat line is seen, and shows none."""


@dataclass
class _Waiting:
    """A beat not yet decided."""

    peak: RPeak
    following: RPeak | None = None


@dataclass
class _Due:
    """A beat that is decided, yet to be described; `leads` are those whose signal quality lets them be read.

    `prev_s` is the time since the beat before, `seen` whether a beat between the two would have been seen.
    """

    sample: int
    prev_s: float | None
    seen: bool
    next_s: float | None
    leads: tuple[bool, ...]
    decided: int


class Beats:
    """Stage that makes a `Beat` of every `RPeak`; see the module.

    Everything that comes in is passed on. R peaks must come in order of their samples.

    Parameters
    ----------
    leads : tuple of str
        Names of the columns, by which the two leads a model looks at are chosen.
    """

    def __init__(self, leads: tuple[str, ...]) -> None:
        self._columns = list(choose_leads(leads))
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._history = History()
        self._noise = Noise()
        self._lag = 0
        self._restart(0)

    def push(self, message: Message) -> Iterable[Message]:
        """Take in a message; beats come out before the block that decides them."""
        if isinstance(message, Samples):
            return self._on_samples(message)
        if isinstance(message, Gap) and not message.bridged:
            out: list[Message] = [*self._drain(message.decided), message]
            self._restart(message.start + message.n)
            return out
        if isinstance(message, RPeak | Quality):
            self._events.append(message)
        return (message,)

    def flush(self) -> Iterable[Message]:
        """Return the beats still waiting, judged by what there is."""
        return self._drain(self._start + len(self._mv) + self._lag)

    def _restart(self, start: int) -> None:
        self._start = start
        self._mv: NDArray[np.float32] = np.zeros((0, LEADS), np.float32)
        self._valid: NDArray[np.bool_] = np.zeros((0, LEADS), np.bool_)
        self._events: list[RPeak | Quality] = []
        self._waiting: list[_Waiting] = []
        self._quality: list[Quality] = []
        self._blind: list[Quality] = []
        self._last: int | None = None
        self._decided = 0

    def _on_samples(self, block: Samples) -> list[Message]:
        if not len(self._mv):
            self._start = block.start
        self._lag = block.lag
        self._keep(block)
        out: list[Message] = [*self._described(self._catch_up(block.end + block.lag)), block]
        self._trim()
        return out

    def _keep(self, block: Samples) -> None:
        columns = self._columns
        mv = np.zeros((len(block.mv), LEADS), np.float32)
        mv[:, : len(columns)] = block.mv[:, columns]
        valid = np.zeros((len(block.mv), LEADS), np.bool_)
        valid[:, : len(columns)] = True if block.valid is None else block.valid[:, columns]
        self._mv = np.concatenate([self._mv, mv])
        self._valid = np.concatenate([self._valid, valid])

    def _trim(self) -> None:
        oldest = min([waiting.peak.sample for waiting in self._waiting], default=self._start + len(self._mv))
        excess = min(oldest - _BEFORE, self._start + len(self._mv) - _KEEP) - self._start
        # Only now and then: copying three seconds for every block of one sample would cost more than the beats.
        if excess > FS_HZ:
            self._mv = self._mv[excess:]
            self._valid = self._valid[excess:]
            self._start += excess

    def _catch_up(self, seen: int) -> list[_Due]:
        """Take events and due beats in the order of the samples that decide them."""
        out: list[_Due] = []
        events, self._events = self._events, []
        for event in sorted(events, key=_decided):
            out += self._due(event.decided - 1)
            self._take(event)
        return out + self._due(seen)

    def _take(self, event: RPeak | Quality) -> None:
        if isinstance(event, Quality):
            self._quality = [*self._quality[-4:], event]
            if all(state in _BLIND for state in event.leads):
                self._blind.append(event)
            return
        if self._waiting:
            self._waiting[-1].following = event
        self._waiting.append(_Waiting(event))

    def _due(self, seen: int) -> list[_Due]:
        out = []
        while self._waiting and (at := self._due_at(self._waiting[0])) <= seen:
            out.append(self._decide(self._waiting.pop(0), at))
        return out

    def _due_at(self, waiting: _Waiting) -> int:
        """Return how many samples must have been seen to decide this beat, as far as is known."""
        sample = waiting.peak.sample + self._lag
        known = sample + _WAIT if waiting.following is None else waiting.following.decided
        return max(sample + _AFTER, known, waiting.peak.decided, self._decided)

    def _drain(self, seen: int) -> list[Beat]:
        """Decide everything: no more samples follow."""
        out = self._catch_up(seen)
        out += [self._decide(waiting, max(seen, waiting.peak.decided, self._decided)) for waiting in self._waiting]
        self._waiting = []
        return self._described(out)

    def _decide(self, waiting: _Waiting, decided: int) -> _Due:
        sample = waiting.peak.sample
        prev_s = None if self._last is None else (sample - self._last) / FS_HZ
        next_s = None if waiting.following is None else (waiting.following.sample - sample) / FS_HZ
        seen = not any(quality.start < sample for quality in self._blind)
        self._blind = [quality for quality in self._blind if quality.start + quality.n > sample]
        self._last, self._decided = sample, decided
        return _Due(sample, prev_s, seen, next_s, self._readable(sample), decided)

    def _readable(self, sample: int) -> tuple[bool, ...]:
        """Return which of the model's leads can be read around an R peak, by their quality."""
        readable = [True] * len(self._columns)
        for quality in self._quality:
            if quality.start < sample + _QRS and sample - _QRS < quality.start + quality.n:
                for i, column in enumerate(self._columns):
                    readable[i] = readable[i] and quality.leads[column] in _READABLE
        return (*readable, *[False] * (LEADS - len(readable)))

    def _trusted(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return in which leads enough samples around R peaks are valid, shape (n, LEADS)."""
        valid_before = np.concatenate([np.zeros((1, LEADS), np.int64), np.cumsum(self._valid, axis=0)])
        # Nothing can be trusted of what lies before the samples that are kept.
        first, last = np.clip(rows - _QRS, 0, len(self._valid)), np.clip(rows + _QRS, 0, len(self._valid))
        trusted = valid_before[last] - valid_before[first] >= _TRUSTED * (last - first)[:, None]
        return np.asarray(trusted & (last > first)[:, None])

    def _described(self, due: list[_Due]) -> list[Beat]:
        """Make beats of those that are due; all at once, since most of what it costs is a cost per call."""
        if not due:
            return []
        rows = np.array([beat.sample for beat in due], np.intp) - self._start
        leads = np.array([beat.leads for beat in due]) & self._trusted(rows)
        windows = cut(self._mv, rows)
        windows *= leads[:, None]
        scaled, features = self._history.describe(windows, [beat.prev_s for beat in due], [beat.next_s for beat in due])
        usable = leads.any(axis=1).tolist()
        noisy = iter(self._noise.judge(windows[usable], features[usable]))
        return [
            Beat(
                sample=beat.sample,
                rr_ms=beat.prev_s * 1000 if beat.prev_s is not None and beat.seen else None,
                window=scaled[i],
                features=features[i],
                usable=usable[i],
                noisy=usable[i] and next(noisy),
                decided=beat.decided,
            )
            for i, beat in enumerate(due)
        ]


def _decided(event: Event) -> int:
    return event.decided
