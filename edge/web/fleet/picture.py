"""What is known of many devices, as one picture: wards, and what needs attention. No database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from edge.kinds import KINDS
from edge.messages import Priority
from edge.web.clock import in_ms

SILENT = timedelta(seconds=30)
"""A collector renews what a device said last every ten seconds, and stores it within some more."""
AHEAD = timedelta(seconds=60)
"""A time so far in the future is of a clock that is wrong, and says nothing of now."""

State = Literal["live", "degraded", "silent", "lost", "left", "never"]
_NEEDS: dict[State, int] = {"silent": 2, "lost": 3, "degraded": 4}
_URGENCY: dict[Priority, int] = {"high": 0, "medium": 1, "low": 5}
_NONE = 9


class Told(BaseModel):
    """An alert whose end has not been told."""

    title: str
    priority: Priority
    since_ms: int


class Device(BaseModel):
    """One device."""

    id: str
    bed: str | None = Field(None, description="Where in its ward, if somebody wrote that down.")
    state: State = Field(
        description="`live`; `degraded`: it says what is wrong; `silent`: it should be heard, and is not; `lost`: its "
        "connection broke; `left`: it took its leave; `never`: it is in a ward and was never heard"
    )
    since_ms: int | None = Field(None, description="Since when, but for `live`.")
    reason: str | None = None
    hr_bpm: float | None = None
    alerts: list[Told] = Field(default_factory=list, description="The most urgent first.")
    need: int = Field(description="How urgently somebody must look, 0 first; 9: not at all.")


class WardPart(BaseModel):
    """The devices of a ward, by bed; an empty name for those that are in none."""

    name: str
    devices: list[Device]


class NotBelieved(BaseModel):
    """Messages of the last day that were kept apart, such as those of a device that claims another's id."""

    number: int
    newest: str
    at_ms: int


class Picture(BaseModel):
    """All of it.

    `trouble` says why none of it can be relied on now; no heart rate is told then.
    """

    at_ms: int
    newest_ms: int | None = Field(None, description="When anything came into the database last.")
    trouble: str | None = None
    not_believed: NotBelieved | None = None
    wards: list[WardPart]


class Known(BaseModel):
    """What the database has of a device.

    Attributes
    ----------
    state, reason, told, said_at : str, str, datetime, datetime or None
        Its newest status, when that came, and when the device said it; None for a last will.
    heard, hr_bpm, why : datetime, float, str or None
        When it last said something of its patient, the rate, and why there is none.
    """

    ward: str = ""
    bed: str | None = None
    state: str | None = None
    reason: str | None = None
    told: datetime | None = None
    said_at: datetime | None = None
    heard: datetime | None = None
    hr_bpm: float | None = None
    why: str | None = None


class InForce(BaseModel):
    """What the database has of an alert in force."""

    device: str
    kind: str
    priority: Priority
    onset: datetime


def picture(
    known: dict[str, Known], in_force: Iterable[InForce], now: datetime, not_believed: NotBelieved | None = None
) -> Picture:
    """Put together what is known.

    Parameters
    ----------
    known : dict of str to Known
        By device id.
    in_force : iterable of InForce
        Alerts without an end.
    now : datetime
        By this machine's clock, UTC.
    not_believed : NotBelieved, optional
        What was kept apart.
    """
    times = [time for each in known.values() for time in (each.told, each.heard) if time is not None]
    newest = max(times, default=None)
    trouble = _trouble(newest, now)
    # Who fell silent before the rest is told even then.
    reference = now if trouble is None or newest is None else newest
    alerts: dict[str, list[InForce]] = {}
    for alert in in_force:
        alerts.setdefault(alert.device, []).append(alert)
        known.setdefault(alert.device, Known())
    wards: dict[str, list[Device]] = {}
    for id_, each in known.items():
        device = _device(id_, each, alerts.get(id_, ()), reference, rates=trouble is None)
        wards.setdefault(each.ward, []).append(device)
    return Picture(
        at_ms=in_ms(now),
        newest_ms=None if newest is None else in_ms(newest),
        trouble=trouble,
        not_believed=not_believed,
        wards=[
            WardPart(name=name, devices=sorted(wards[name], key=lambda device: natural(device.bed or device.id)))
            for name in sorted(wards, key=lambda name: (not name, natural(name)))
        ],
    )


def _trouble(newest: datetime | None, now: datetime) -> str | None:
    if newest is None:
        return "Nothing has been collected yet"
    if newest - now > AHEAD:
        return "The collector's clock and this machine's differ"
    if now - newest > SILENT:
        return "Nothing comes into the database: look for collector, broker and network"
    return None


def _device(id_: str, known: Known, alerts: Sequence[InForce], now: datetime, *, rates: bool) -> Device:
    state, since, reason = _state(known, now)
    told = [
        Told(title=KINDS[each.kind].title if each.kind in KINDS else each.kind, priority=each.priority, since_ms=ms)
        for each in sorted(alerts, key=lambda each: (_URGENCY[each.priority], each.onset))
        for ms in (in_ms(each.onset),)
    ]
    need = min([_URGENCY[each.priority] for each in told] + [_NEEDS.get(state, _NONE)])
    return Device(
        id=id_,
        bed=known.bed,
        state=state,
        since_ms=None if since is None else in_ms(since),
        reason=reason,
        hr_bpm=known.hr_bpm if rates and state in ("live", "degraded") else None,
        alerts=told,
        need=need,
    )


def _state(known: Known, now: datetime) -> tuple[State, datetime | None, str | None]:
    """Return a device's state, since when it is that, and why."""
    if known.state is None and known.heard is None:
        return "never", None, None
    if known.state == "offline":
        # A last will is not said by the device itself, and has no time of its own.
        return ("lost" if known.said_at is None else "left"), known.told, known.reason
    heard = known.heard or known.told
    if heard is None or now - heard > SILENT or heard - now > AHEAD:
        return "silent", heard, known.reason
    if known.state == "degraded":
        return "degraded", None, known.reason
    return "live", None, known.why


def natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts 2 before 10.

    >>> sorted(["bed-10", "bed-2", "3"], key=natural)
    ['3', 'bed-2', 'bed-10']
    """
    parts, number = list[tuple[int, str]](), ""
    for letter in text.casefold() + "\0":
        if letter.isdecimal() and letter.isascii():
            number += letter
            continue
        if number:
            parts.append((int(number[:18]), ""))
            number = ""
        parts.append((-1 if letter == "\0" else 10**18, letter))
    return parts
