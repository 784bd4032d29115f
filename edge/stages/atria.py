"""What the atria do, from labelled beats: how likely they fibrillate, and what that means for single beats."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edge.features.irregularity import Intervals
from edge.inference.trees import TreeModel, log_odds
from edge.messages import Gap, LabelledBeat, Likelihood, Message

EVERY = 8
"""Pairs of intervals from one judgement to the next."""
FEWEST = 32
"""Pairs that it takes to call beats by it."""
SURE = log_odds(0.9)
"""From here on a beat that is not ventricular is of the fibrillation …"""
DOUBT = log_odds(0.5)
"""… until it is no more likely than not."""


class Atria:
    """Stage that judges every few beats whether the atria fibrillate.

    It tells a `Likelihood` of kind ``af``, which the rhythm stage makes an episode of slowly. Single beats follow at
    once: nothing is premature where nothing is expected, so that S becomes N while fibrillation is likely. Its score is
    then the probability of fibrillation.

    Parameters
    ----------
    model : TreeModel
        Of what `edge.features.irregularity` measures.
    """

    def __init__(self, model: TreeModel) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._intervals = Intervals()
        self._since = 0
        self._fibrillates = False
        self._probability = 0.0

    def push(self, message: Message) -> Iterable[Message]:
        """Take in a beat; pass it on, with what it leads to after it. Everything else passes."""
        if isinstance(message, LabelledBeat):
            return self._on_beat(message)
        if isinstance(message, Gap) and not message.bridged:
            self._intervals.add(None, counts=False)
        return (message,)

    def flush(self) -> Iterable[Message]:
        """Nothing is ever held."""
        return ()

    def _on_beat(self, beat: LabelledBeat) -> list[Message]:
        judged: list[Message] = []
        counts = beat.label in ("N", "S")
        if self._intervals.add(None if beat.rr_ms is None else beat.rr_ms / 1000, counts=counts):
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
        self._fibrillates = odds >= limit and len(self._intervals) >= FEWEST
        return likelihood
