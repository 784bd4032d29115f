"""Samples as frames: what arrives is what was sent, to a microvolt, with what is missing."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from ward_devices import wave

from edge.web.ward.trend import Trend
from edge.web.ward.wave import KEPT_S, NO_VALUE, Trace

MV = st.one_of(st.none(), st.floats(-40, 40).map(lambda v: round(v, 3)))


def read(frame: bytes) -> tuple[int, int, int, float, np.ndarray]:
    size, bed, leads, generation, n, start = struct.unpack_from("<HHBBHd", frame)
    assert size == len(frame)
    return bed, generation, n, start, np.frombuffer(frame, "<i2", offset=16).reshape(leads, n)


@given(st.integers(1, 12), st.integers(1, 80), st.data())
def test_a_frame_holds_what_was_published(leads: int, n: int, data: st.DataObject) -> None:
    mv = [data.draw(st.lists(MV, min_size=n, max_size=n)) for _ in range(leads)]
    values = np.array(mv, float).T
    block = wave("bed", 7200, values, tuple(f"L{i}" for i in range(leads)))
    bed, _, count, start, uv = read(Trace(3).take(block))
    assert (bed, count, start) == (3, n, 7200.0)
    known = np.isfinite(values.T)
    assert (uv[~known] == NO_VALUE).all()
    expected = np.clip(values.T[known] * 1000, -32767, 32767)
    assert np.abs(uv[known] - expected).max(initial=0) <= 0.51


def test_another_stream_or_a_step_back_begins_a_generation_and_forgets_the_one_before() -> None:
    trace, block = Trace(0), np.zeros((72, 2))
    trace.take(wave("bed", 0, block))
    first = trace.generation
    trace.take(wave("bed", 72, block))
    assert trace.generation == first
    trace.take(wave("bed", 0, block))
    assert trace.generation == first + 1
    trace.take(wave("bed", 72, block[:, :1], ("II",)))
    assert trace.generation == first + 2
    assert len(trace.frames()) == 1


def test_only_the_last_seconds_are_kept() -> None:
    trace = Trace(0)
    for i in range(1000):
        trace.take(wave("bed", 72 * i, np.zeros((72, 2))))
    assert len(trace.frames()) <= KEPT_S * 360 / 72 + 1


def test_a_trend_says_what_was_not_known() -> None:
    trend = Trend()
    assert trend.points(5000.0) == ([], [])
    trend.add(5000.2, 60.0)
    trend.add(5001.2, None)
    trend.add(5003.9, 62.5)
    assert trend.points(5004.0) == ([5000, 5001, 5002, 5003, 5004], [60.0, None, None, 62.5, None])
    trend.add(9000.0, 70.0)
    assert trend.points(9000.0) == ([9000], [70.0])
