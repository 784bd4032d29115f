"""Which episodes somebody should know of, how urgently, and how not to flood them: `Episode` to `Alert`."""

from edge.stages.alarms.rules import AlarmRules, Priorities
from edge.stages.alarms.stage import Alarms

__all__ = ["AlarmRules", "Alarms", "Priorities"]
