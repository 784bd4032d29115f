"""Rate, pauses, ectopy and runs out of labelled beats: `Vitals` once a second, and `Episode`."""

from __future__ import annotations

from collections.abc import Iterable

from edge.messages import Message
from edge.stages.rhythm.rules import RhythmRules

__all__ = ["Rhythm", "RhythmRules"]


class Rhythm:
    """Finds the rhythm."""

    def __init__(self, rules: RhythmRules, n_leads: int) -> None:
        self._rules = rules
        self._n_leads = n_leads

    def push(self, message: Message) -> Iterable[Message]:
        """Take one message in; return what it leads to."""
        return [message]

    def flush(self) -> Iterable[Message]:
        """Return what is still held."""
        return []

    def reset(self) -> None:
        """Forget everything."""
