"""Rate, pauses, ectopy and runs out of labelled beats: `Vitals` once a second, and `Episode`.

The kinds of episode are in `edge.kinds`, their thresholds in `RhythmRules`; docs/alarms.md has them in a table.
"""

from edge.stages.rhythm.rules import RhythmRules
from edge.stages.rhythm.stage import Rhythm

__all__ = ["Rhythm", "RhythmRules"]
