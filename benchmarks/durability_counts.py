"""What became of every phase of every alert, counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from edge.contract.payloads import Alert

Phase = tuple[str, str, int]
"""Id, phase and decision sample: what consumers tell duplicates by."""


class Counts(msgspec.Struct, kw_only=True):
    """What happened; of the last group all must be 0.

    Attributes
    ----------
    phases_decided, phases_ended_by_restart : int
        What had to arrive: what the device decided, and an end for each alert that was in force when it was killed.
    retained_looked_at : int
        How often what a newcomer is told was compared with what the device that had just started held to be in force.
    offline_told : int
        How often the broker said that the device was gone.
    retained_wrong : int
        Looks after which ten seconds were not enough for status and alerts in force to be those of this start.
    offline_unfounded, offline_missing : int
        Offline although the device had a connection less than five seconds ago; an absence nobody was told of.
    slow_stops : int
        SIGTERM obeyed later than after five seconds, or with another exit code than 0.
    """

    device_kills: int = 0
    broker_kills: int = 0
    black_holes: int = 0
    phases_decided: int = 0
    phases_ended_by_restart: int = 0
    received: int = 0
    duplicates: int = 0
    retained_looked_at: int = 0
    offline_told: int = 0
    seconds: float = 0.0

    lost: int = 0
    out_of_order: int = 0
    unknown: int = 0
    retained_wrong: int = 0
    offline_unfounded: int = 0
    offline_missing: int = 0
    slow_stops: int = 0

    @property
    def flawless(self) -> bool:
        """Whether every phase arrived, in order, nothing that was never said, and nobody was told what was not so."""
        wrong = (self.retained_wrong, self.offline_unfounded, self.offline_missing, self.slow_stops)
        return not (self.lost or self.out_of_order or self.unknown or any(wrong))


def phase(alert: Alert) -> Phase:
    """Return what an alert message is told by."""
    return str(alert.id), alert.phase, alert.decision.sample


def in_force(phases: Iterable[Phase]) -> dict[str, Phase]:
    """Return the newest phase of each alert that has not ended, oldest alert first."""
    running: dict[str, Phase] = {}
    for one in phases:
        running[one[0]] = one
        if one[1] == "end":
            del running[one[0]]
    return running


def ended_by_restart(phases: Iterable[Phase]) -> list[Phase]:
    """Return how the start after one that was killed ends what was in force."""
    return [(name, "end", sample) for name, _, sample in in_force(phases).values()]


def judge(counts: Counts, alerts: Sequence[Alert], must: Sequence[Phase]) -> None:
    """Compare what arrived with what had to, in its order."""
    received = [phase(alert) for alert in alerts]
    at = {one: position for position, one in enumerate(dict.fromkeys(received))}
    counts.received, counts.duplicates = len(received), len(received) - len(at)
    counts.lost = sum(one not in at for one in must)
    counts.unknown = len(set(at) - set(must))
    places = [at[one] for one in must if one in at]
    counts.out_of_order = sum(later < earlier for earlier, later in pairwise(places))


def table(columns: dict[str, Counts]) -> str:
    """Return the counts as a table."""
    names = msgspec.structs.asdict(Counts())
    rows = [
        f"| {name.replace('_', ' ')} | {' | '.join(f'{getattr(counts, name):,}' for counts in columns.values())} |"
        for name in names
    ]
    return "\n".join([f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns), *rows])
