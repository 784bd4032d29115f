"""Conditioning: what it takes away in numbers, where it puts things in time, and that nothing poisons it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from front_end import cut, ecg, events, signal, through
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import FS_HZ, Gap, Samples
from edge.stages.conditioning.stage import Conditioning

RATES = [360.0, 100.0, 128.0, 250.0, 257.5, 500.0, 1000.0]


def clean(mv, fs_hz: float = 360.0, sizes=(3600,), gaps=(), range_mv=None):
    mv = np.asarray(mv, np.float32)
    mv = mv[:, None] if mv.ndim == 1 else mv
    return signal(through(Conditioning(fs_hz, mv.shape[1], range_mv), cut(mv, sizes, gaps)))


def gain_db(hz: float, seconds: int = 40) -> float:
    """What is left of a sine, away from start and end."""
    time = np.arange(seconds * FS_HZ) / FS_HZ
    got, _, _ = clean(np.sin(2 * np.pi * hz * time))
    return float(20 * np.log10(np.std(got[FS_HZ * 5 : -FS_HZ]) / np.sqrt(0.5)))


# --- blocks ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(RATES),
    st.lists(st.integers(1, 400), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(10, 300), st.integers(1, 120)), max_size=4),
    st.lists(st.tuples(st.integers(0, 1400), st.integers(1, 200), st.integers(0, 1)), max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_blocks_do_not_matter(fs_hz, sizes, gap_steps, holes, seed) -> None:
    mv = np.random.default_rng(seed).normal(size=(1500, 2)).cumsum(axis=0).astype(np.float32) / 10
    for start, n, lead in holes:
        mv[start : start + n, lead] = [np.nan, np.inf, 1e9][n % 3]
    gaps, at = [], 0
    for step, n in gap_steps:
        gaps.append((at + step, n))
        at += step + n
    whole = through(Conditioning(fs_hz, 2), cut(mv, [10**6], gaps))
    parts = through(Conditioning(fs_hz, 2), cut(mv, sizes, gaps))
    assert events(whole) == events(parts)
    for one, other in zip(signal(whole), signal(parts), strict=True):
        assert np.array_equal(one, other)
    assert np.isfinite(signal(whole)[0]).all()


@pytest.mark.parametrize("fs_hz", RATES)
def test_lag_is_how_far_it_looks_ahead(fs_hz: float) -> None:
    """What comes later than `lag` changes nothing that was given out, and `lag` is not exceeded."""
    mv = np.random.default_rng(0).normal(size=(1200, 1)).astype(np.float32)
    stage = Conditioning(fs_hz, 1)
    for end in range(1, 1201, 7):
        got = [m for m in stage.push(Samples(start=max(end - 7, 0), mv=mv[max(end - 7, 0) : end])) if m is not None]
        for block in got:
            assert isinstance(block, Samples)
            assert block.lag == stage.lag
            assert block.end + block.lag == int(end * FS_HZ / fs_hz + 1e-9)


@pytest.mark.parametrize(("fs_hz", "most_ms"), [(360, 67), (1000, 75), (500, 76), (250, 107), (128, 134), (100, 175)])
def test_delay(fs_hz: float, most_ms: float) -> None:
    assert Conditioning(fs_hz, 1).lag * 1000 / FS_HZ <= most_ms


@pytest.mark.parametrize("fs_hz", RATES)
def test_every_sample_comes_out_once(fs_hz: float) -> None:
    _, _, numbers = clean(np.zeros(1003), fs_hz, sizes=(13,))
    assert np.array_equal(numbers, np.arange(int(np.ceil(1003 * FS_HZ / fs_hz - 1e-9))))


# --- what is taken away ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_mains_is_removed(hz: float) -> None:
    assert gain_db(hz) < -60
    assert gain_db(hz - 0.5) < -35
    assert gain_db(hz + 0.5) < -35


@pytest.mark.parametrize("hz", [70.0, 90.0, 120.0, 150.0])
def test_muscle_noise_is_removed(hz: float) -> None:
    assert gain_db(hz) < -25


@pytest.mark.parametrize("hz", [10.0, 20.0, 30.0])
def test_the_band_of_the_qrs_is_kept(hz: float) -> None:
    assert abs(gain_db(hz)) < 1.0


def test_waves_keep_their_height() -> None:
    mv, beats = ecg(20, leads=1)
    got, _, _ = clean(mv)
    for beat in np.round(beats[2:-1] * FS_HZ).astype(int):
        assert 0.85 < got[beat - 5 : beat + 6].max() < 1.05
        assert 0.2 < got[beat + 80 : beat + 115].max() < 0.3


def test_wander_is_removed() -> None:
    assert gain_db(0.05) < -20
    assert gain_db(0.15) < -10
    assert gain_db(0.3) < -5


def test_wander_does_not_bury_the_ecg() -> None:
    mv, _ = ecg(60, leads=1)
    time = np.arange(len(mv)) / FS_HZ
    wander = (0.5 * np.sin(2 * np.pi * 0.15 * time))[:, None]
    without, _, _ = clean(mv)
    got, _, _ = clean(mv + wander)
    assert np.std(got - without) < 0.35 * np.std(wander)


@pytest.mark.parametrize("fs_hz", RATES)
def test_r_peaks_stay_where_they_are(fs_hz: float) -> None:
    mv, beats = ecg(20, fs_hz, leads=1)
    got, _, _ = clean(mv, fs_hz)
    for beat in beats[1:-1]:
        around = np.arange(round(beat * FS_HZ) - 30, round(beat * FS_HZ) + 31)
        assert abs(around[np.argmax(got[around, 0])] - beat * FS_HZ) <= 1.0


# --- offsets, steps, missing values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-5.0, 3.0, 5.0])
def test_an_offset_does_not_ring(offset: float) -> None:
    mv, _ = ecg(10)
    plain, _, _ = clean(mv)
    moved, valid, _ = clean(mv + np.float32(offset))
    assert np.abs(moved - plain).max() < 1e-4
    assert valid.all()


def test_a_constant_gives_nothing() -> None:
    got, _, _ = clean(np.full(2000, -4.0))
    assert np.abs(got).max() < 1e-6


def test_a_step_is_forgotten() -> None:
    mv, _ = ecg(20)
    stepped = mv.copy()
    stepped[3600:] += 4
    got, plain = clean(stepped)[0], clean(mv)[0]
    assert np.abs(got - plain)[3600 + FS_HZ :].max() < 1e-3


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e9, np.nan, -3e5])
def test_absurd_values_are_no_values(value: float) -> None:
    mv, _ = ecg(10)
    spoiled = mv.copy()
    spoiled[1800:1803, 0] = value
    got, valid, _ = clean(spoiled)
    plain, _, _ = clean(mv)
    assert np.array_equal(got[:, 1], plain[:, 1])
    assert valid[:, 1].all()
    assert not valid[1800:1803, 0].any()
    assert np.array_equal(got[:1770, 0], plain[:1770, 0])
    assert np.abs(got[:, 0] - plain[:, 0]).max() < 0.3
    assert np.abs(got[2160:, 0] - plain[2160:, 0]).max() < 1e-3


def test_a_lead_that_was_off_is_itself_again_soon() -> None:
    mv, _ = ecg(20)
    off = mv.copy()
    off[1500:3600, 0] = np.nan
    off[3600:, 0] += 2
    got, valid, _ = clean(off)
    plain, _, _ = clean(mv)
    assert not valid[1500:3600, 0].any()
    assert np.array_equal(got[:, 1], plain[:, 1])
    assert valid[3600 + 21 :, 0].all()
    assert np.abs(got - plain)[3600 + FS_HZ :].max() < 1e-3


def test_a_lead_that_never_was_on_is_zero() -> None:
    mv, _ = ecg(5)
    mv[:, 1] = np.nan
    got, valid, _ = clean(mv)
    assert not got[:, 1].any()
    assert not valid[:, 1].any()
    assert valid[:, 0].all()


def test_saturation_is_invalid_and_a_clipped_peak_is_not() -> None:
    mv, _ = ecg(10, leads=1)
    mv = np.minimum(mv * 10, 5).astype(np.float32)
    stuck = mv.copy()
    stuck[1000:1100] = 5
    assert clean(mv, range_mv=((-5.0, 5.0),))[1].all()
    _, valid, _ = clean(stuck, range_mv=((-5.0, 5.0),))
    assert not valid[1020:1100].any()
    assert valid[1125:].all()


def test_a_wrong_range_does_not_condemn_the_signal() -> None:
    """The noise stress records say 1024 where the baseline is already subtracted: everything lies beyond an end."""
    mv, _ = ecg(10, leads=1)
    assert clean(mv - 8, range_mv=((-5.12, 5.12),))[1].all()


# --- gaps -------------------------------------------------------------------------------------------------------------


def gaps_of(messages) -> list[Gap]:
    return [message for message in messages if isinstance(message, Gap)]


@pytest.mark.parametrize("fs_hz", RATES)
def test_a_short_gap_is_bridged(fs_hz: float) -> None:
    mv, _ = ecg(10, fs_hz)
    n = int(0.14 * fs_hz)
    start = int(4 * fs_hz)
    out = through(Conditioning(fs_hz, 2), cut(mv, [100], [(start, n)]))
    got, valid, numbers = signal(out)
    (gap,) = gaps_of(out)
    assert gap.bridged
    assert gap.start == int(np.ceil(start * FS_HZ / fs_hz - 1e-9))
    assert np.array_equal(numbers, np.arange(len(numbers)))
    assert not valid[gap.start : gap.start + gap.n].any()
    assert np.isfinite(got).all()


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("fs_hz", RATES)
def test_up_to_150_ms_are_bridged(fs_hz: float, pieces: int) -> None:
    mv, _ = ecg(6, fs_hz)
    start, most = int(4 * fs_hz), round(0.15 * fs_hz)
    for n, bridged in ((most, True), (most + 1, False)):
        cuts = [start + n * piece // pieces for piece in range(pieces + 1)]
        gaps = [(first, stop - first) for first, stop in pairwise(cuts)]
        told = gaps_of(through(Conditioning(fs_hz, 2), cut(mv, [100], gaps)))
        assert [gap.bridged for gap in told] == [bridged or piece < pieces - 1 for piece in range(pieces)]


@pytest.mark.parametrize("fs_hz", RATES)
def test_after_a_long_gap_all_starts_anew(fs_hz: float) -> None:
    mv, _ = ecg(10, fs_hz)
    start, n = int(4 * fs_hz), int(0.5 * fs_hz)
    moved = mv.copy()
    moved[start + n :] += 3
    out = through(Conditioning(fs_hz, 2), cut(moved, [100], [(start, n)]))
    got, valid, numbers = signal(out)
    (gap,) = gaps_of(out)
    assert not gap.bridged
    lost = np.setdiff1d(np.arange(numbers[-1] + 1), numbers)
    assert np.array_equal(lost, np.arange(gap.start, gap.start + gap.n))
    assert valid.all()
    assert np.abs(got).max() < 1.5


def test_samples_that_are_missing_without_a_word_are_a_gap() -> None:
    stage = Conditioning(360.0, 1)
    out = [*stage.push(Samples(start=0, mv=np.zeros((100, 1), np.float32)))]
    out += stage.push(Samples(start=500, mv=np.zeros((100, 1), np.float32)))
    assert [(gap.start, gap.n, gap.bridged) for gap in gaps_of(out)] == [(100, 400, False)]


def test_reset_makes_it_as_new() -> None:
    mv, _ = ecg(5)
    stage = Conditioning(257.0, 2)
    through(stage, cut(mv + 3, [77])[:10])
    stage.reset()
    again = signal(through(stage, cut(mv, [77])))[0]
    assert np.array_equal(again, clean(mv, 257.0)[0])


@pytest.mark.parametrize("fs_hz", [50.0, 99.0, 2000.0])
def test_a_rate_it_cannot_do_is_refused(fs_hz: float) -> None:
    with pytest.raises(ValueError, match="100 to 1000"):
        Conditioning(fs_hz, 1)
