"""What the atria do, from labelled beats: how likely they fibrillate, and what that means for single beats."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from edge.features.irregularity import Intervals, Strip
from edge.inference.trees import TreeModel, log_odds
from edge.messages import Event, Gap, LabelledBeat, Likelihood, Message, Samples

EVERY = 8
"""Pairs of intervals from one judgement to the next."""
FEWEST = 32
"""Pairs that it takes to call beats by it."""
SURE = log_odds(0.9)
"""From here on a beat that is not ventricular is of the fibrillation …"""
DOUBT = log_odds(0.5)
"""… until it is no more likely than not. Both hold as well for what is left without the beats called S: frequent ectopy
is as irregular as fibrillation, the beats between it are not."""
STRIP_BEATS = 96
"""Beats up to which a recording is a strip, judged as a whole at its end."""


class Atria:
    """Stage that judges every few beats whether the atria fibrillate.

    It tells a `Likelihood` of kind ``af``, which the rhythm stage makes an episode of slowly. Single beats follow at
    once: nothing is premature where nothing is expected, so that S becomes N while fibrillation is likely, and would be
    from the beats called N alone. Its score is then the probability of fibrillation.

    Parameters
    ----------
    model : TreeModel
        Of what `edge.features.irregularity` measures.
    strips : TreeModel or None
        Of what it measures of short recordings; without it nothing is said of these.
    """

    def __init__(self, model: TreeModel, strips: TreeModel | None = None) -> None:
        self._model = model
        self._strips = strips
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._intervals, self._without_s = Intervals(), Intervals()
        self._since = 0
        self._fibrillates = False
        self._probability = 0.0
        self._strip = Strip()
        self._last: LabelledBeat | None = None
        self._seen = 0

    def push(self, message: Message) -> Iterable[Message]:
        """Take in a beat; pass it on, with what it leads to after it. Everything else passes."""
        # What is said of a whole recording is decided no sooner than anything else was.
        if isinstance(message, Event | Samples):
            self._seen = max(self._seen, message.decided if isinstance(message, Event) else message.end + message.lag)
        if isinstance(message, LabelledBeat):
            return self._on_beat(message)
        if isinstance(message, Gap) and not message.bridged:
            self._intervals.add(None, counts=False)
            self._without_s.add(None, counts=False)
        return (message,)

    def flush(self) -> Iterable[Message]:
        """Judge a recording that was too short for anything else."""
        measured = self._strip.measure() if self._strips and len(self._strip) <= STRIP_BEATS else None
        if self._strips is None or measured is None or self._last is None:
            return ()
        odds = round(self._strips.log_odds(measured.tolist()), 4)
        return (Likelihood(kind="af", sample=self._last.sample, log_odds=odds, whole=True, decided=self._seen),)

    def _on_beat(self, beat: LabelledBeat) -> list[Message]:
        judged: list[Message] = []
        counts = beat.label in ("N", "S")
        rr_s = None if beat.rr_ms is None else beat.rr_ms / 1000
        if len(self._strip) <= STRIP_BEATS:
            self._strip.add(rr_s, beat.label)
            self._last = beat
        self._without_s.add(rr_s, counts=beat.label == "N")
        if self._intervals.add(rr_s, counts=counts):
            self._since += 1
        if self._since >= EVERY and (measured := self._intervals.measure()) is not None:
            self._since = 0
            judged.append(self._judge(self._model.log_odds(measured.tolist()), beat))
        if self._fibrillates and beat.label == "S":
            beat = msgspec.structs.replace(beat, label="N", score=self._probability)
        return [beat, *judged]

    def _judge(self, odds: float, beat: LabelledBeat) -> Likelihood:
        likelihood = Likelihood(kind="af", sample=beat.sample, log_odds=round(odds, 4), decided=beat.decided)
        self._probability = round(likelihood.probability, 4)
        limit = DOUBT if self._fibrillates else SURE
        likely = odds >= limit and len(self._intervals) >= FEWEST
        self._fibrillates = likely and self._odds_without_s() >= limit
        return likelihood

    def _odds_without_s(self) -> float:
        measured = self._without_s.measure()
        return -math.inf if measured is None else self._model.log_odds(measured.tolist())
