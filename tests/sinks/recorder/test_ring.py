"""Which segments go when room is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.sinks.recorder.ring import Limits, Ring, segments

START = datetime(2026, 3, 1, tzinfo=UTC)


def a_ring(folder: Path, n: int, *, hours: float = 1.0, **limits: float) -> Ring:
    """A ring of `n` finished segments of about 1,000 bytes each."""
    for number in range(1, n + 1):
        name = f"20260301T{number:02}0000Z_{number:06}"
        header = f"{name} 1 360 {int(hours * 3600 * 360)}\n"
        (folder / f"{name}.hea").write_text(header)
        (folder / f"{name}.dat").write_bytes(bytes(1000 - len(header)))
    fields = {"max_bytes": 1 << 30, "max_s": 1e9, "segment_s": 60.0, "reserve_bytes": 0} | limits
    return Ring(folder, Limits(**fields))  # type: ignore[arg-type]


def numbers(folder: Path) -> list[int]:
    return [kept.number for kept in segments(folder)]


@pytest.mark.parametrize("limits", [{"max_bytes": 500}, {"max_s": 60.0}], ids=["bytes", "seconds"])
def test_the_newest_stays_whatever_the_limits(limits: dict[str, float], tmp_path: Path) -> None:
    a_ring(tmp_path, 3, **limits).make_room(400, 30.0)
    assert numbers(tmp_path) == [3]


@pytest.mark.parametrize(("n_bytes", "left"), [(1000, [1, 2, 3]), (1001, [2, 3]), (2001, [3])])
def test_what_is_to_be_added_needs_room_too(n_bytes: int, left: list[int], tmp_path: Path) -> None:
    a_ring(tmp_path, 3, max_bytes=4000).make_room(n_bytes, 60.0)
    assert numbers(tmp_path) == left


@pytest.mark.parametrize(("seconds", "left"), [(1800.0, [1, 2, 3]), (1801.0, [2, 3])])
def test_and_time(seconds: float, left: list[int], tmp_path: Path) -> None:
    a_ring(tmp_path, 3, max_s=3 * 3600 + 1800).make_room(10, seconds)
    assert numbers(tmp_path) == left


@pytest.mark.parametrize(("hours", "left"), [(1.0, [3]), (0.5, [2, 3]), (0.4, [1, 2, 3]), (2.0, [3])])
def test_on_a_disk_that_is_full_an_hour_stays(hours: float, left: list[int], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full, less than"):
        a_ring(tmp_path, 3, hours=hours, reserve_bytes=1 << 60).make_room(10, 60.0)
    assert numbers(tmp_path) == left


def test_the_number_gives_the_order_and_not_the_clock(tmp_path: Path) -> None:
    ring = a_ring(tmp_path, 3, max_bytes=2000)
    for suffix in (".hea", ".dat"):
        (tmp_path / f"20260301T030000Z_000003{suffix}").rename(tmp_path / f"20200101T000000Z_000003{suffix}")
    ring.make_room(10, 60.0)
    assert numbers(tmp_path) == [3]


def test_no_number_is_given_twice_although_the_segments_are_gone(tmp_path: Path) -> None:
    ring = a_ring(tmp_path, 3)
    ring.open()
    assert ring.new(START).name.endswith("_000004")
    for path in tmp_path.glob("2026*"):
        path.unlink()
    a_ring(tmp_path, 1)
    ring.open()
    assert ring.new(START).name.endswith("_000005")
    ring.close()
