"""The alerts of one bed: which are in force, which have ended; right whatever of them arrives twice, late or never."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from edge.contract.payloads import Acknowledged, Active, ActiveAlert, Alert, StripInfo
from edge.evidence import evidence_words
from edge.kinds import KINDS, title
from edge.messages import Priority
from edge.web.clock import Now, in_ms
from edge.web.ward.wave import microvolts

_KEPT_ENDED = 100
_KEPT_STRIPS = 30
_MOST_IN_FORCE = 64
_URGENCY: dict[Priority, int] = {"high": 0, "medium": 1, "low": 2}
NO_DATA = "no_data"
_Kept = TypeVar("_Kept")


class KeptStrip(msgspec.Struct, frozen=True):
    """The signal around an onset: µV as int16, one lead after the other."""

    start_ms: int
    fs_hz: float
    leads: tuple[str, ...]
    uv: bytes

    @classmethod
    def of(cls, strip: StripInfo) -> KeptStrip | None:
        """Return a payload's strip in a quarter of its memory; None if it is not what it says it is."""
        lengths = {len(lead) for lead in strip.mv}
        if len(lengths) != 1 or len(strip.mv) != len(strip.leads):
            return None
        return cls(in_ms(strip.time), strip.fs_hz, strip.leads, microvolts(strip.mv))


class WardAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as pages show it.

    Attributes
    ----------
    id : str
        The device's, or one of the ward's own.
    kind, title, priority : str
        What it is, for machines and for people, and how urgent.
    since_ms, until_ms : int, int or None
        Onset and end, milliseconds since 1970.
    detail : str
        The numbers it was judged by.
    seen_ms, seen_by : int or None, str or None
        When somebody acknowledged it, and who or where.
    own : bool
        Told by the ward itself: the device says nothing any more.
    technical : bool
        Of signal or device, not of the patient.
    strip : bool
        Whether there is a strip of it.
    """

    id: str
    kind: str
    title: str
    priority: Priority
    since_ms: int
    until_ms: int | None = None
    detail: str = ""
    seen_ms: int | None = None
    seen_by: str | None = None
    own: bool = False
    technical: bool = False
    strip: bool = False


class Alerts:
    """The alerts of one bed."""

    def __init__(self) -> None:
        self._in_force: dict[str, WardAlert] = {}
        self._ended: OrderedDict[str, WardAlert] = OrderedDict()
        self._strips: OrderedDict[str, KeptStrip] = OrderedDict()

    @property
    def in_force(self) -> list[WardAlert]:
        """The most urgent first, then the oldest."""
        return sorted(self._in_force.values(), key=lambda alert: (_URGENCY[alert.priority], alert.since_ms, alert.id))

    @property
    def ended(self) -> list[WardAlert]:
        """Those that ended, newest first."""
        return list(reversed(self._ended.values()))

    def find(self, alert_id: str) -> WardAlert | None:
        """Return an alert, in force or not."""
        return self._in_force.get(alert_id) or self._ended.get(alert_id)

    def strip(self, alert_id: str) -> KeptStrip | None:
        """Return the signal around an alert's onset, if it is kept."""
        return self._strips.get(alert_id)

    def take_phase(self, alert: Alert) -> None:
        """Take one phase; it may be one of yesterday, or have been here before."""
        key = str(alert.id)
        if key in self._ended:
            if alert.end is not None:  # ended by the list, which does not say when
                self._ended[key] = msgspec.structs.replace(self._ended[key], until_ms=in_ms(alert.end.time))
            return
        if alert.strip is not None and (kept := KeptStrip.of(alert.strip)) is not None:
            _keep(self._strips, key, kept, _KEPT_STRIPS)
        known = self._in_force.get(key)
        told = _told(alert, strip=key in self._strips)
        if known is not None:
            told = msgspec.structs.replace(told, seen_ms=known.seen_ms, seen_by=known.seen_by)
        if alert.phase == "end":
            self._end(told, None if alert.end is None else in_ms(alert.end.time))
        elif known is not None or len(self._in_force) < _MOST_IN_FORCE:
            self._in_force[key] = told

    def take_active(self, active: Active, now: Now) -> None:
        """Take the list of those in force: what is not in it has ended, whoever missed that."""
        listed = {str(alert.id): alert for alert in active.alerts[:_MOST_IN_FORCE]}
        for key in [key for key, alert in self._in_force.items() if key not in listed and not alert.own]:
            self._end(self._in_force[key], now.wall_ms)
        for key, alert in listed.items():
            self._ended.pop(key, None)
            base = self._in_force.get(key) or _listed(alert, strip=key in self._strips)
            self._in_force[key] = _seen(base, alert.acknowledged)

    def begin_own(self, alert: WardAlert) -> None:
        """Raise an alert of the ward's own."""
        self._in_force[alert.id] = alert

    def end_own(self, now: Now) -> None:
        """End all alerts of the ward's own."""
        for alert in [alert for alert in self._in_force.values() if alert.own]:
            self._end(alert, now.wall_ms)

    def see_here(self, alert_id: str, by: str, now: Now, *, own: bool) -> bool:
        """Note that somebody has seen an alert that no device will answer for; return whether it is in force.

        Parameters
        ----------
        alert_id, by, now : str, str, Now
            Which, who or where, and when.
        own : bool
            Whether it must be one of the ward's own.
        """
        alert = self._in_force.get(alert_id)
        if alert is None or (own and not alert.own):
            return False
        self._in_force[alert_id] = msgspec.structs.replace(alert, seen_ms=now.wall_ms, seen_by=by)
        return True

    def _end(self, alert: WardAlert, until_ms: int | None) -> None:
        self._in_force.pop(alert.id, None)
        _keep(self._ended, alert.id, msgspec.structs.replace(alert, until_ms=until_ms), _KEPT_ENDED)


def most_urgent(alerts: Iterable[WardAlert]) -> WardAlert | None:
    """Return the alert that a tile shows: the most urgent that nobody has seen, else the most urgent."""
    return min(alerts, key=lambda a: (a.seen_ms is not None, _URGENCY[a.priority], a.since_ms), default=None)


def no_data(bed: str, since: Now) -> WardAlert:
    """Return the ward's own alert that a bed says nothing any more."""
    return WardAlert(
        id=f"{NO_DATA}-{bed}-{since.wall_ms}",
        kind=NO_DATA,
        title="no data",
        priority="medium",
        since_ms=since.wall_ms,
        own=True,
        technical=True,
    )


def _told(alert: Alert, *, strip: bool) -> WardAlert:
    reason = f"; {alert.reason}" if alert.reason else ""
    return WardAlert(
        id=str(alert.id),
        kind=alert.kind,
        title=title(alert.kind),
        priority=alert.priority,
        since_ms=in_ms(alert.onset.time),
        detail=", ".join(evidence_words(alert.evidence)) + reason,
        technical=_is_technical(alert.kind),
        strip=strip,
    )


def _listed(alert: ActiveAlert, *, strip: bool) -> WardAlert:
    return WardAlert(
        id=str(alert.id),
        kind=alert.kind,
        title=title(alert.kind),
        priority=alert.priority,
        since_ms=in_ms(alert.onset.time),
        technical=_is_technical(alert.kind),
        strip=strip,
    )


def _seen(alert: WardAlert, acknowledged: Acknowledged | None) -> WardAlert:
    if acknowledged is None:
        return msgspec.structs.replace(alert, seen_ms=None, seen_by=None)
    return msgspec.structs.replace(alert, seen_ms=in_ms(acknowledged.time), seen_by=acknowledged.by)


def _is_technical(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].technical


def _keep(kept: OrderedDict[str, _Kept], key: str, value: _Kept, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
