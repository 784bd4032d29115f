"""The stage: follows episodes, tells alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from edge.kinds import KINDS
from edge.messages import FS_HZ, Alert, Episode, Event, Evidence, Gap, Message, Phase, Priority, Samples
from edge.stages.alarms.rules import AlarmRules, Told
from edge.stages.alarms.strips import Strips


@dataclass
class _Active:
    """An alert in force.

    Attributes
    ----------
    running : set of int
        Numbers of the episodes that last.
    episodes, held : int
        Episodes so far, and those of them that were not told since the alert was last told.
    told : int
        When it was last told.
    end : int
        End of the last episode that is over.
    due : int or None
        When the alert ends, if nothing of its kind is running.
    """

    number: int
    kind: str
    priority: Priority
    onset: int
    evidence: Evidence
    running: set[int] = field(default_factory=set)
    episodes: int = 0
    held: int = 0
    told: int = 0
    end: int = 0
    due: int | None = None
    recurred_after_s: float | None = None


class Alarms:
    """Stage that makes an `Alert` of every `Episode` somebody should know of; everything that comes in is passed on.

    Of each kind one alert at most is in force. It begins with the first episode. It ends when there has been none for
    `hold_s`; one that comes back before continues it under the same number, as an update. So an alert neither
    flaps nor floods, and each has one onset and one end.

    Parameters
    ----------
    rules : AlarmRules
        Priorities and times.
    leads : tuple of str
        Lead names, for the strips.
    """

    def __init__(self, rules: AlarmRules, leads: tuple[str, ...]) -> None:
        self._rules = rules
        self._leads = leads
        self._hold, self._hold_intermittent, self._repeat = (
            round(value * FS_HZ) for value in (rules.hold_s, rules.hold_intermittent_s, rules.repeat_s)
        )
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._strips = Strips(self._leads, self._rules.strip_s)
        self._active: dict[str, _Active] = {}
        self._waiting: list[tuple[Alert, bool]] = []  # alerts told with the next block, and whether with a strip
        self._count = 0
        self._now = 0

    def push(self, message: Message) -> Iterable[Message]:
        """Take one message in; return it, and alerts before the block that holds their strip."""
        if isinstance(message, Samples):
            self._now = max(self._now, message.end + message.lag)
            self._pass(message.end + message.lag + 1)
            self._strips.extend(message)
            return [*self._release(), message]
        if not isinstance(message, Event):
            return [message]
        self._pass(message.decided)
        self._now = max(self._now, message.decided)
        if isinstance(message, Episode):
            self._on_episode(message)
        elif isinstance(message, Gap) and not message.bridged:
            # The signal after it does not join; what waits was decided by the signal before it.
            return [*self._release(), message]
        return [message]

    def flush(self) -> Iterable[Message]:
        """End every alert in force."""
        for alert in list(self._active.values()):
            self._end(alert, self._now)
        return self._release()

    def succeed(self, former: Alarms, episodes: Iterable[Message]) -> list[Message]:
        """Go on in the place of a stage with other rules.

        Parameters
        ----------
        former : Alarms
            The stage so far, of the same stream; it is not to be used any more.
        episodes : iterable of Message
            What the change of rules has led to in the rhythm.

        Returns
        -------
        list of Message
            These, and the alerts that they and the new priorities lead to.
        """
        self._strips.take_over(former._strips)
        self._active, self._waiting = former._active, former._waiting
        self._count, self._now = former._count, former._now
        out: list[Message] = []
        for message in episodes:
            out += self.push(message)
        for alert in list(self._active.values()):
            priority: Told = getattr(self._rules.priority, alert.kind)
            if priority == "off":
                self._end(alert, self._now)
            elif priority != alert.priority:
                alert.priority = priority
                self._tell(alert, "update", self._now, strip=False)
        return out + self._release()

    def _pass(self, until: int) -> None:
        """End the alerts that are due before `until`, in order."""
        due = [alert for alert in self._active.values() if alert.due is not None and alert.due < until]
        for alert in sorted(due, key=lambda alert: alert.due or 0):
            self._end(alert, alert.due or 0)

    def _on_episode(self, episode: Episode) -> None:
        priority: Told = getattr(self._rules.priority, episode.kind, "off")
        if priority == "off":
            return
        alert = self._active.get(episode.kind)
        if episode.phase == "onset":
            self._begin(alert, episode, priority)
        elif alert is not None and episode.number in alert.running:
            alert.evidence = episode.evidence
            if episode.phase == "update":
                self._tell(alert, "update", episode.decided, strip=False)
            else:
                self._finish(alert, episode)

    def _begin(self, alert: _Active | None, episode: Episode, priority: Priority) -> None:
        phase: Phase = "update"
        if alert is None:
            self._count += 1
            phase = "onset"
            alert = _Active(self._count, episode.kind, priority, episode.onset, episode.evidence)
            self._active[episode.kind] = alert
        else:
            alert.evidence = episode.evidence
            alert.recurred_after_s = round((episode.onset - alert.onset) / FS_HZ, 3)
        alert.running.add(episode.number)
        alert.episodes += 1
        alert.due = None
        again = KINDS[episode.kind].updates and episode.decided - alert.told >= self._repeat
        if phase == "onset" or alert.priority == "high" or again:
            self._tell(alert, phase, episode.decided, strip=not KINDS[episode.kind].technical)
        else:
            alert.held += 1

    def _finish(self, alert: _Active, episode: Episode) -> None:
        alert.running.discard(episode.number)
        alert.end = max(alert.end, alert.onset if episode.end is None else episode.end)
        if not alert.running:
            hold = self._hold_intermittent if KINDS[alert.kind].intermittent else self._hold
            alert.due = episode.decided + hold

    def _end(self, alert: _Active, decided: int) -> None:
        self._tell(alert, "end", decided, strip=False)
        del self._active[alert.kind]

    def _tell(self, alert: _Active, phase: Phase, decided: int, *, strip: bool) -> None:
        evidence = replace(alert.evidence, episodes=alert.episodes, held=alert.held)
        if alert.recurred_after_s is not None:
            evidence = replace(evidence, recurred_after_s=alert.recurred_after_s)
        told = Alert(
            number=alert.number,
            kind=alert.kind,
            phase=phase,
            priority=alert.priority,
            onset=alert.onset,
            end=max(alert.end, alert.onset) if phase == "end" else None,
            evidence=evidence,
            decided=decided,
        )
        alert.held, alert.told = 0, decided
        self._waiting.append((told, strip))

    def _release(self) -> list[Alert]:
        """Return the alerts that wait for their strips."""
        out = [
            replace(alert, strip=self._strips.cut(alert.decided)) if strip else alert for alert, strip in self._waiting
        ]
        self._waiting.clear()
        return out
