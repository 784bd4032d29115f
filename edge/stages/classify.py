"""From beats to labelled beats, by a model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge.inference import BeatModel
from edge.messages import Beat, Label, LabelledBeat, Message

_TINY = 1e-4
"""Added to probabilities before the logarithm: less than half a step of an int8 softmax."""


class Classify:
    """Stage that labels every `Beat`; a beat that is not usable becomes Q, score 0, without asking the model.

    Parameters
    ----------
    model : BeatModel
        Its card's offsets weigh the classes.
    """

    def __init__(self, model: BeatModel) -> None:
        self._model = model
        self._offsets = np.array(model.card.offsets, np.float32)

    def push(self, message: Message) -> Iterable[Message]:
        """Label a beat; pass anything else on."""
        return (self._label(message),) if isinstance(message, Beat) else (message,)

    def flush(self) -> Iterable[Message]:
        """Nothing is ever held."""
        return ()

    def reset(self) -> None:
        """Nothing is ever held."""

    def _label(self, beat: Beat) -> LabelledBeat:
        label: Label = "Q"
        score = 0.0
        if beat.usable:
            probabilities = self._model.predict(beat.window, beat.features)
            best = int(np.argmax(np.log(probabilities + np.float32(_TINY)) + self._offsets))
            label, score = self._model.classes[best], float(probabilities[best])
        return LabelledBeat(sample=beat.sample, label=label, score=score, rr_ms=beat.rr_ms, decided=beat.decided)
