"""Many devices as one picture: what is not known is never drawn as if all were well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge.web.fleet.picture import InForce, Known, Picture, picture

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def heard(seconds: float = 5, **changes: object) -> Known:
    """Return what is known of a device that said something so long ago."""
    at = ago(seconds)
    return Known(**({"state": "online", "told": at, "said_at": at, "heard": at, "hr_bpm": 70.0} | changes))


def look(now: datetime = NOW, *alerts: InForce, **known: Known) -> Picture:
    return picture({"one": heard(), **known}, alerts, now)


def device(found: Picture, name: str) -> object:
    return next(each for ward in found.wards for each in ward.devices if each.id == name)


@pytest.mark.parametrize(
    ("known", "state", "need"),
    [
        (heard(), "live", 9),
        (heard(29), "live", 9),
        (heard(31), "silent", 2),
        (heard(90, state="degraded", reason="no board"), "silent", 2),
        (heard(state="degraded", reason="a full disk"), "degraded", 4),
        # Its status goes on, but nothing is heard of its patient.
        (heard(heard=ago(600)), "silent", 2),
        (heard(heard=None, told=ago(600)), "silent", 2),
        (heard(heard=None), "live", 9),
        # A last will has no time of its own; who takes leave says when.
        (heard(state="offline", said_at=None, reason="connection lost"), "lost", 3),
        (heard(state="offline", reason="stopped"), "left", 9),
        (heard(state=None, told=None), "live", 9),
        (Known(ward="CCU"), "never", 9),
        # A clock that is wrong says nothing of now.
        (heard(-86_400 * 365), "silent", 2),
    ],
)
def test_what_is_known_of_a_device(known: Known, state: str, need: int) -> None:
    # Others were heard now, so that it is of this one alone.
    found = picture({"two": known, **({} if known.heard and known.heard > NOW else {"one": heard()})}, [], NOW)
    if found.trouble is None:
        told = device(found, "two")
        assert (told.state, told.need) == (state, need)
        assert (told.hr_bpm is not None) == (state in ("live", "degraded") and known.hr_bpm is not None)
    else:
        assert "clock" in found.trouble
        assert device(found, "two").hr_bpm is None


def test_the_most_urgent_comes_first() -> None:
    alerts = [
        InForce(device="one", kind="bigeminy", priority="low", onset=ago(50)),
        InForce(device="one", kind="vt", priority="high", onset=ago(10)),
        InForce(device="two", kind="of a later version", priority="medium", onset=ago(99)),
        InForce(device="unheard", kind="af", priority="low", onset=ago(99)),
    ]
    found = look(NOW, *alerts, two=heard(500))
    assert [told.title for told in device(found, "one").alerts] == ["ventricular tachycardia", "bigeminy"]
    assert device(found, "one").need == 0
    assert device(found, "two").need == 1
    assert device(found, "two").alerts[0].title == "of a later version"
    assert (device(found, "unheard").state, device(found, "unheard").need) == ("never", 5)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOW, None),
        (NOW + timedelta(seconds=31), "Nothing comes into the database"),
        (NOW + timedelta(days=365), "Nothing comes into the database"),
        (NOW - timedelta(days=365), "clock"),
    ],
)
def test_a_database_that_nobody_writes_is_trouble_and_no_calm(now: datetime, said: str | None) -> None:
    found = look(now, two=heard(0), three=heard(200))
    assert said is None or said in str(found.trouble)
    assert (found.trouble is None) == (said is None)
    rates = [each.hr_bpm for ward in found.wards for each in ward.devices]
    assert (rates == [None] * 3) == (said is not None)
    # Who had fallen silent before the rest is told then, too.
    assert device(found, "three").state == "silent"


def test_nothing_collected_is_said() -> None:
    assert picture({}, [], NOW).trouble == "Nothing has been collected yet"
    assert picture({"bed-1": Known(ward="CCU")}, [], NOW).trouble == "Nothing has been collected yet"


def test_wards_and_beds_are_in_the_order_people_count() -> None:
    places = [("Ward 10", "2"), ("Ward 2", "10"), ("Ward 2", "9"), ("", None), ("CCU", "A")]
    known = {f"bed-{n}": heard(ward=ward, bed=bed) for n, (ward, bed) in enumerate(places)}
    found = picture(known, [], NOW)
    assert [ward.name for ward in found.wards] == ["CCU", "Ward 2", "Ward 10", ""]
    assert [each.bed for each in found.wards[1].devices] == ["9", "10"]
