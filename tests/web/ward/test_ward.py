"""The ward's model: right whatever arrives, in whatever order, however often; without clock, broker or browser."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import numpy as np
import pytest
from ward_devices import alert, status, vitals, wave

from edge.contract import topics
from edge.contract.encoder import encode
from edge.contract.payloads import Acknowledged, Active, ActiveAlert, Alert, Payload
from edge.web.clock import Now
from edge.web.ward.bed import BedView
from edge.web.ward.ward import MOST_BEDS, Change, Ward

WALL = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def at(seconds: float) -> Now:
    return Now(100.0 + seconds, WALL + seconds)


def take(ward: Ward, topic: topics.Topic, payload: Payload, seconds: float = 0.0, *, retained: bool = False) -> Change:
    return ward.take(topic.of(payload.device), encode(payload), at(seconds), retained=retained)  # type: ignore[attr-defined]


def active(device: str, *alerts: Alert, seen: Acknowledged | None = None) -> Active:
    items = tuple(
        ActiveAlert(id=a.id, kind=a.kind, priority=a.priority, onset=a.onset, acknowledged=seen) for a in alerts
    )
    return Active(device=device, stream="board", alerts=items)


def view(ward: Ward, seconds: float = 0.0, device: str = "bed-1") -> BedView:
    return ward.beds[device].view(at(seconds))


def test_a_rate_is_known_for_five_seconds_and_never_after() -> None:
    ward = Ward()
    take(ward, topics.VITALS, vitals("bed-1", hr_bpm=81.0))
    assert view(ward, 4.9).hr_bpm == 81.0
    late = view(ward, 5.1)
    assert (late.hr_bpm, late.leads, late.beats) == (None, {}, {})
    assert late.heard_ms == round(WALL * 1000)


def test_what_a_broker_kept_is_no_sign_of_life() -> None:
    ward = Ward()
    take(ward, topics.STATUS, status("bed-1"), retained=True)
    take(ward, topics.VITALS, vitals("bed-1"), retained=True)
    assert view(ward).heard_ms is None
    assert view(ward).hr_bpm is None
    assert view(ward).state == "online"


def test_who_joins_late_knows_the_alerts_in_force_and_who_has_seen_them() -> None:
    ward, told = Ward(), alert("bed-1")
    seen = Acknowledged(time=datetime(2026, 3, 1, 12, tzinfo=UTC), by="nurses' room")
    take(ward, topics.ACTIVE, active("bed-1", told, seen=seen), retained=True)
    (shown,) = view(ward).alerts
    assert (shown.id, shown.title, shown.priority) == (str(told.id), "ventricular tachycardia", "high")
    assert shown.seen_by == "nurses' room"


def test_phases_that_come_twice_or_late_change_nothing() -> None:
    ward, onset = Ward(), alert("bed-1")
    end = alert("bed-1", "end", number=onset.id, strip=False)
    for phase in (onset, onset, end, onset, end):
        take(ward, topics.ALERTS, phase)
    assert not view(ward).alerts
    (ended,) = view(ward).ended
    assert ended.id == str(onset.id)
    assert ended.strip
    assert ward.beds["bed-1"].alerts.strip(ended.id) is not None


def test_an_alert_whose_end_was_missed_ends_with_the_list() -> None:
    ward, first, second = Ward(), alert("bed-1"), alert("bed-1", kind="couplet", priority="low")
    take(ward, topics.ALERTS, first)
    take(ward, topics.ALERTS, second)
    take(ward, topics.ACTIVE, active("bed-1", second), 3.0)
    assert [a.id for a in view(ward).alerts] == [str(second.id)]
    (ended,) = view(ward).ended
    assert ended.until_ms == round((WALL + 3) * 1000)


def test_an_update_keeps_that_somebody_has_seen_it() -> None:
    ward, told = Ward(), alert("bed-1")
    take(ward, topics.ALERTS, told)
    take(ward, topics.ACTIVE, active("bed-1", told, seen=Acknowledged(time=told.onset.time, by="desk")))
    take(ward, topics.ALERTS, alert("bed-1", "update", number=told.id, strip=False))
    (shown,) = view(ward).alerts
    assert shown.seen_by == "desk"


def test_the_tile_tells_the_most_urgent_that_nobody_has_seen() -> None:
    ward = Ward()
    high, medium = alert("bed-1"), alert("bed-1", kind="pause", priority="medium")
    take(ward, topics.ALERTS, medium)
    take(ward, topics.ALERTS, high)
    assert view(ward).shown == str(high.id)
    seen = Acknowledged(time=high.onset.time, by=None)
    take(ward, topics.ACTIVE, active("bed-1", high, seen=seen))
    take(ward, topics.ALERTS, medium)
    assert view(ward).shown == str(high.id)  # the other has ended: the list says so
    fresh = alert("bed-1", kind="pause", priority="medium")
    take(ward, topics.ALERTS, fresh)
    assert view(ward).shown == str(fresh.id)
    assert [a.priority for a in view(ward).alerts] == ["high", "medium"]


def test_a_silent_bed_raises_an_alert_of_the_wards_own_that_ends_when_it_speaks() -> None:
    ward = Ward()
    take(ward, topics.VITALS, vitals("bed-1"))
    assert not ward.watch(at(4.9), connected=True)
    assert not ward.watch(at(60.0), connected=False)
    assert [bed.device for bed in ward.watch(at(5.5), connected=True)] == ["bed-1"]
    (own,) = view(ward).alerts
    assert (own.title, own.priority, own.since_ms) == ("no data", "medium", round(WALL * 1000))
    # A list of the device's own alerts does not end it.
    take(ward, topics.ACTIVE, active("bed-1"), 5.6)
    assert view(ward).alerts
    assert ward.beds["bed-1"].alerts.see_here(own.id, "desk", at(6), own=True)
    assert view(ward).alerts[0].seen_by == "desk"
    take(ward, topics.VITALS, vitals("bed-1"), 7.0)
    assert ward.watch(at(7.1), connected=True)
    assert not view(ward, 7.1).alerts


def test_an_alert_of_a_device_that_is_gone_can_be_silenced_and_sounds_again_when_it_is_back() -> None:
    ward, told = Ward(), alert("bed-1")
    take(ward, topics.STATUS, status("bed-1", "offline", "connection lost", will=True), retained=True)
    take(ward, topics.ACTIVE, active("bed-1", told), retained=True)
    bed = ward.beds["bed-1"]
    assert bed.is_silent(at(0))
    assert not bed.alerts.see_here(str(told.id), "desk", at(1), own=True)
    assert bed.alerts.see_here(str(told.id), "desk", at(1), own=False)
    assert view(ward, 1).alerts[0].seen_by == "desk"
    take(ward, topics.VITALS, vitals("bed-1"), 2.0)
    take(ward, topics.ACTIVE, active("bed-1", told), 2.0)
    assert not bed.is_silent(at(2))
    assert view(ward, 2).alerts[0].seen_by is None


def test_a_bed_that_took_its_leave_is_not_missed_and_one_whose_connection_broke_is() -> None:
    ward = Ward()
    for device, will in (("left", False), ("lost", True)):
        take(ward, topics.VITALS, vitals(device))
        take(ward, topics.STATUS, status(device, "offline", "stopped", will=will))
    assert [bed.device for bed in ward.watch(at(6), connected=True)] == ["lost"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("ecg/v1/bed-1/vitals", b"{"),
        ("ecg/v1/bed-1/vitals", b"[" * 100_000),
        ("ecg/v1/bed-1/vitals", encode(vitals("bed-2"))),
        ("ecg/v1/bed-1/waveform", encode(wave("bed-1", 0, np.zeros((4, 2))))[:-5]),
        ("ecg/v1/bed-1/alerts", b'{"device": "bed-1", "text": "' + b"x" * 3_000_000 + b'"}'),
        ("ecg/v1/bed-1/status", b"\xff\xfe"),
    ],
)
def test_what_is_not_understood_changes_nothing_and_is_counted(topic: str, payload: bytes) -> None:
    ward = Ward()
    assert ward.take(topic, payload, at(0)) == Change()
    assert not ward.beds
    assert ward.refused == 1


@pytest.mark.parametrize(
    "topic", ["ecg/v1/<b>/vitals", "ecg/v1/bed-1", "other/v1/bed-1/vitals", "ecg/v1/bed-1/command", "ecg/v2/b/vitals"]
)
def test_what_is_not_of_a_device_is_passed_over(topic: str) -> None:
    ward = Ward()
    assert ward.take(topic, encode(vitals("bed-1")), at(0)) == Change()
    assert (len(ward.beds), ward.refused) == (0, 0)


def test_a_block_of_another_shape_than_it_says_is_not_shown() -> None:
    ward, good = Ward(), wave("bed-1", 0, np.zeros((4, 2)))
    assert take(ward, topics.WAVEFORM, good).frame is not None
    ragged = msgspec.structs.replace(good, mv=[[0.0, 0.0], [0.0]])
    one_lead = msgspec.structs.replace(good, mv=[[0.0, 0.0]])
    empty = msgspec.structs.replace(good, mv=[[], []])
    for bad in (ragged, one_lead, empty):
        assert take(ward, topics.WAVEFORM, bad).frame is None


def test_memory_is_bounded_whatever_is_published() -> None:
    ward = Ward()
    for number in range(MOST_BEDS + 20):
        take(ward, topics.VITALS, vitals(f"bed-{number}"))
    assert len(ward.beds) == MOST_BEDS
    onset, end = alert("bed-1", strip=False), alert("bed-2", "end", strip=False)
    for _ in range(300):
        take(ward, topics.ALERTS, msgspec.structs.replace(onset, id=uuid4()))
        take(ward, topics.ALERTS, msgspec.structs.replace(end, id=uuid4()))
    assert len(ward.beds["bed-1"].alerts.in_force) <= 64
    assert len(ward.beds["bed-2"].alerts.ended) <= 100
