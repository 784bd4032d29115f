"""Headers as they are specified, and as they are met."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wfdb_format.header import DEFAULT_FS_HZ, Signal, format_header, parse_header

LINE = "r.dat 16 200(0)/mV 16 0 0 0 0 II"


def start_of(rest: str) -> tuple[datetime | None, tuple[str, ...]]:
    header = parse_header(f"r 1 300 6000 {rest}\n{LINE}\n".encode())
    assert (header.fs_hz, header.n_samples) == (300, 6000)
    return header.base_time, header.notes


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("10:20:30.5 24/12/2020", datetime(2020, 12, 24, 10, 20, 30, 500_000, tzinfo=UTC)),
        ("2014-05-08 05:05:15", datetime(2014, 5, 8, 5, 5, 15, tzinfo=UTC)),
        ("05-May-2020 09:49:17", datetime(2020, 5, 5, 9, 49, 17, tzinfo=UTC)),
        ("09:49:17 05-may-2020", datetime(2020, 5, 5, 9, 49, 17, tzinfo=UTC)),
        ("24:00:00 01/01/2001", datetime(2001, 1, 2, tzinfo=UTC)),
        ("9:05 1/2/2020", datetime(2020, 2, 1, 0, 9, 5, tzinfo=UTC)),
        ("10:00:00 01.02.2198", datetime(2198, 2, 1, 10, tzinfo=UTC)),
    ],
)
def test_dates_in_every_order_are_read(rest: str, expected: datetime) -> None:
    assert start_of(rest) == (expected, ())


@pytest.mark.parametrize(
    "rest",
    ["10:00:00 00/00/0000", "2006", "10:00:00 ?", "10:00:00 31/02/2020", "10:00:00 01/01/9999", "soon", "1 2 3 4"],
)
def test_a_date_that_cannot_be_understood_is_left_out_and_said(rest: str) -> None:
    base_time, notes = start_of(rest)
    assert base_time is None
    assert len(notes) == 1
    assert rest[:60] in notes[0]


def test_a_time_without_a_date_is_usual() -> None:
    assert start_of("10:00:00") == (None, ())


def test_a_rate_that_is_not_stated_is_assumed_and_said() -> None:
    header = parse_header(f"r 1\n{LINE}\n".encode())
    assert header.fs_hz == DEFAULT_FS_HZ
    assert "states no rate" in header.notes[0]


@pytest.mark.parametrize("rate", ["360/360(0)", "360/1", "3.6e2"])
def test_rates_as_they_are_written(rate: str) -> None:
    assert parse_header(f"r 1 {rate} 10\n{LINE}\n".encode()).fs_hz == 360


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings_and_line_ends(encoding: str, ends: str) -> None:
    text = ends.join(["# vorn: é", "r 1 250 10", "r.dat 16 0.2/µV 16 0 0 0 0 Ableitung für II", "# note: é"]) + ends
    (signal,) = parse_header(text.encode(encoding)).signals
    assert (signal.units, signal.description, signal.gain) == ("µV", "Ableitung für II", 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0\0",
        "r",
        "r x 360 10",
        "r 1 360 10",
        f"r 20000 360 10\n{LINE}",
        f"r 1 {'9' * 400} 10\n{LINE}",
        f"r 1 360 {'9' * 4400}\n{LINE}",
        f"r 1 nan 10\n{LINE}",
        "r 1 360 10\nr.dat sixteen",
        "r 1 360 10\nr.dat 16 much",
        "r 1 360 10\nr.dat 16 200 x",
        f"r 1 360 10\nr.dat 16 200 {'9' * 4400}",
        f"r 1 360 10\nr.dat 16x{'9' * 50} 200",
        "m/1 1 360 10\npart",
        f"m/1 1 360 10\npart {'9' * 4400}",
    ],
)
def test_what_is_no_header_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(ValueError, match=r".{5,200}") as refused:
        parse_header(text.encode())
    assert len(str(refused.value)) < 200


@given(st.binary(max_size=400))
def test_whatever_bytes_come_it_is_a_header_or_a_value_error(content: bytes) -> None:
    try:
        parse_header(content)
    except ValueError:
        return


@given(
    fs_hz=st.sampled_from([62.5, 128.0, 249.873, 360.0, 1000.0]),
    n=st.integers(1, 10**12),
    gain=st.floats(0.001, 1e6),
    baseline=st.integers(-(2**31), 2**31 - 1),
    start=st.datetimes(datetime(1900, 1, 1), datetime(2400, 1, 1)),  # made UTC below
    lead_off=st.booleans(),
)
def test_what_is_written_is_read_back(
    fs_hz: float, n: int, gain: float, baseline: int, start: datetime, *, lead_off: bool
) -> None:
    signal = Signal(file="r.dat", fmt=16, gain=float(f"{gain:.10g}"), baseline=baseline, description="MLII")
    start = start.replace(tzinfo=UTC)
    text = format_header(
        "r",
        fs_hz=fs_hz,
        n_samples=n,
        base_time=start,
        signals=[(signal, -3, 99)],
        comments=["x"],
        lead_off_detection=lead_off,
    )
    header = parse_header(text.encode())
    assert (header.fs_hz, header.n_samples, header.base_time, header.signals) == (fs_hz, n, start, (signal,))
    assert header.lead_off_detection == lead_off
