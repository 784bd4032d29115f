"""Rate, pauses, ectopy and runs out of labelled beats: `Vitals` once a second, and `Episode`.

The kinds of episode, their definitions and where those come from are in `KINDS` and `RhythmRules`; docs/alarms.md has
them in a table.
"""

from edge.stages.rhythm.rules import RhythmRules
from edge.stages.rhythm.stage import Rhythm

__all__ = ["KINDS", "Rhythm", "RhythmRules"]

KINDS = (
    "asystole",
    "vt",
    "bradycardia",
    "tachycardia",
    "pause",
    "v_run",
    "idioventricular",
    "svt_run",
    "ventricular_burden",
    "bigeminy",
    "trigeminy",
    "couplet",
    "signal_lost",
)
"""Every kind of `Episode` that this stage tells."""
