"""How episodes become alerts: priorities, how long an alert is held, how often it is repeated."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge.kinds import KINDS, STAGE_KINDS

Told = Literal["high", "medium", "low", "off"]


Priorities = msgspec.defstruct(
    "Priorities",
    [(name, Told, KINDS[name].priority) for name in STAGE_KINDS],
    module=__name__,
    namespace={"__doc__": "Priority of each kind of episode, the `[alarms.priority]` table; `off` is not told."},
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
)


class AlarmRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How episodes become alerts, the `[alarms]` table of the configuration.

    Attributes
    ----------
    priority : Priorities
        How urgently each kind is told, or `off`.
    hold_s : float
        An alert ends this long after its episode, unless the same kind comes back, which continues the alert.
    hold_intermittent_s : float
        The same for kinds that come and go, which `edge.kinds` calls intermittent.
    repeat_s : float
        A medium or low kind that comes back is told at most so often; what is held is counted in the evidence.
    strip_s : float
        Length of the strip of signal, which ends at the last sample seen when the alert was decided.
    """

    priority: Priorities = Priorities()  # type: ignore[valid-type]
    hold_s: float = 10.0
    hold_intermittent_s: float = 60.0
    repeat_s: float = 60.0
    strip_s: float = 10.0

    def __post_init__(self) -> None:
        for key, low, high in (
            ("hold_s", 0, 600),
            ("hold_intermittent_s", 0, 3600),
            ("repeat_s", 0, 3600),
            ("strip_s", 2, 30),
        ):
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"alarms.{key} takes {low} to {high}, not {getattr(self, key):g}")
