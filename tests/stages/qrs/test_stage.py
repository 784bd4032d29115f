"""R peaks: found, in time, at the right place, and found again after whatever happened to the signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from front_end import cut, ecg, events, first_stages, peaks, r_peaks_of, through
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edge.messages import FS_HZ, Event, Gap, RPeak, Samples
from edge.stages.qrs.stage import QrsDetector
from training import ec57

MOST_DELAY = 126
LEARNED = 540
WINDOW = 54
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking ten seconds of two leads takes minutes and tells little."""


def compare(reference, found) -> tuple[int, int, int]:
    """Return beats matched within 150 ms, missed and extra."""
    table = ec57.compare((reference, ["N"] * len(reference)), (found, ["N"] * len(found)), FS_HZ).table
    return int(table[:5, :5].sum()), int(table[:5, 5].sum()), int(table[5, :5].sum())


def assert_all_found(beats_s, found: list[RPeak], within: int = 3) -> None:
    reference = np.asarray(beats_s) * FS_HZ
    assert len(found) == len(reference)
    assert np.abs(reference - [peak.sample for peak in found]).max() <= within


# --- blocks and delay -----------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(
    st.sampled_from([360.0, 128.0, 257.5, 500.0]),
    st.lists(st.integers(1, 500), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(10, 2500), st.integers(1, 600)), max_size=3),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 900), st.integers(0, 1)), max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_blocks_do_not_matter(fs_hz, sizes, gap_steps, holes, seed) -> None:
    rng = np.random.default_rng(seed)
    mv = ecg(14, fs_hz)[0][:5000]
    mv = (mv + rng.normal(0, rng.choice([0.01, 0.3]), mv.shape)).astype(np.float32)
    mv[1000:1100, 0] += 3
    for start, n, lead in holes:
        mv[start : start + n, lead] = np.nan
    gaps, at = [], 0
    for step, n in gap_steps:
        if at + step + n < len(mv):
            gaps.append((at + step, n))
            at += step + n
    whole = events(through(first_stages(fs_hz), cut(mv, [10**6], gaps)))
    assert whole == events(through(first_stages(fs_hz), cut(mv, sizes, gaps)))
    assert any("RPeak" in event for event in whole)


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 250.0, 360.0, 1000.0])
def test_told_in_time_and_by_the_push_that_made_it_known(fs_hz: float) -> None:
    mv, beats = ecg(30, fs_hz)
    chain = first_stages(fs_hz)
    found: list[RPeak] = []
    told = 0
    for message in cut(mv, [7]):
        assert isinstance(message, Samples)
        seen = int(message.end * FS_HZ / fs_hz + 1e-9)
        out = [event for event in chain.push(message) if isinstance(event, Event)]
        assert all(told < event.decided <= seen for event in out)
        told = seen
        found += peaks(out)
    found += peaks(chain.flush())
    assert_all_found(beats, found)
    assert all(peak.decided - peak.sample <= MOST_DELAY for peak in found if peak.sample > LEARNED)
    assert all(peak.decided <= LEARNED + MOST_DELAY for peak in found if peak.sample <= LEARNED)


# --- found, whatever the scale --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_s", [0.1, 0.2, 0.5])
def test_first_and_last_beats_are_found(first_s: float) -> None:
    mv, beats = ecg(10.05, first_s=first_s, rr_s=0.9)
    assert_all_found(beats, r_peaks_of(mv))


@pytest.mark.parametrize("seconds", [0.7, 1.0, 1.4])
def test_a_stream_shorter_than_what_is_learned_from(seconds: float) -> None:
    mv, beats = ecg(seconds, first_s=0.3, rr_s=0.6)
    assert_all_found(beats, r_peaks_of(mv))


@pytest.mark.parametrize("gain", [0.1, 0.3, 10.0, 1e2])
def test_gain_does_not_matter(gain: float, toy_ecg) -> None:
    usual = [peak.sample for peak in r_peaks_of(toy_ecg[:36000])]
    scaled = [peak.sample for peak in r_peaks_of(toy_ecg[:36000] * np.float32(gain))]
    assert compare(usual, scaled)[1:] == (0, 0)


def test_polarity_does_not_matter(toy_ecg) -> None:
    usual = [peak.sample for peak in r_peaks_of(toy_ecg[:36000])]
    assert [peak.sample for peak in r_peaks_of(-toy_ecg[:36000])] == usual


@pytest.mark.parametrize("offset", [-5.0, 5.0])
def test_an_offset_does_not_matter(offset: float, toy_ecg) -> None:
    usual = [peak.sample for peak in r_peaks_of(toy_ecg[:36000])]
    moved = [peak.sample for peak in r_peaks_of(toy_ecg[:36000] + np.float32(offset))]
    matched, missed, extra = compare(usual, moved)
    assert matched > 100
    assert missed + extra <= 1


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 257.0, 500.0, 1000.0])
def test_rate_does_not_matter(fs_hz: float) -> None:
    mv, beats = ecg(30, fs_hz)
    assert_all_found(beats, r_peaks_of(mv, fs_hz=fs_hz))


@pytest.mark.parametrize("rr_s", [0.3, 0.5, 1.0, 1.8])
def test_slow_and_fast(rr_s: float) -> None:
    mv, beats = ecg(40, rr_s=rr_s)
    reference = np.round(beats * FS_HZ)
    matched, missed, extra = compare(reference, [peak.sample for peak in r_peaks_of(mv)])
    assert matched >= len(beats) - 1
    assert missed <= 1
    assert extra == 0


def test_what_a_peak_says() -> None:
    mv, _ = ecg(20)
    found = r_peaks_of(mv)
    assert {peak.lead for peak in found} == {0}
    assert all(0.85 < peak.amplitude_mv < 1.05 for peak in found)
    assert all(peak.strength > 1 for peak in found)


# --- leads ----------------------------------------------------------------------------------------------------------


def test_the_other_lead_serves_while_one_is_off() -> None:
    mv, beats = ecg(40)
    mv[3600:7200, 0] = np.nan
    found = r_peaks_of(mv)
    assert_all_found(beats, found, within=6)
    assert {peak.lead for peak in found if 3700 < peak.sample < 7100} == {1}
    assert {peak.lead for peak in found if peak.sample > 9000} == {0}


@pytest.mark.parametrize("bad", [0, 1])
def test_a_lead_full_of_noise_does_no_harm(bad: int) -> None:
    mv, beats = ecg(60)
    mv[:, bad] += np.random.default_rng(5).normal(0, 1.0, len(mv)).astype(np.float32)
    matched, missed, extra = compare(np.round(beats * FS_HZ), [peak.sample for peak in r_peaks_of(mv)])
    assert matched > 70
    assert missed + extra <= 2


def test_a_lead_comes_off_while_the_other_shows_few_beats_clearly(mitdb: Path) -> None:
    """Record 208 at 23:03: the lead that shows every beat drifts away; the other's beats are of all sizes, in noise."""
    mv = wfdb.rdrecord(str(mitdb / "208"), sampfrom=475_200, sampto=504_000).p_signal.astype(np.float32)
    found = np.array([peak.sample for peak in r_peaks_of(mv)]) + 475_200
    while_off = found[(found > 497_700) & (found < 501_000)]
    assert np.diff(while_off).max() < 3 * FS_HZ


def test_three_leads() -> None:
    mv, beats = ecg(20, leads=3)
    assert_all_found(beats, r_peaks_of(mv))


def test_nothing_is_found_in_nothing() -> None:
    assert r_peaks_of(np.zeros((7200, 2), np.float32)) == []
    assert r_peaks_of(np.full((7200, 1), np.nan, np.float32)) == []


# --- recovery -------------------------------------------------------------------------------------------------------


def found_after(mv, beats_s, after_s: float, gaps=()) -> None:
    reference = np.asarray([beat for beat in beats_s if beat > after_s]) * FS_HZ
    found = [peak.sample for peak in r_peaks_of(mv, gaps=gaps)]
    matched, missed, extra = compare(reference, [peak for peak in found if peak > after_s * FS_HZ - WINDOW])
    assert matched > 10
    assert (missed, extra) == (0, 0)


@pytest.mark.parametrize("gain", [5.0, 0.2])
def test_two_seconds_after_a_gain_step(gain: float) -> None:
    mv, beats = ecg(40)
    mv[7200:] *= np.float32(gain)
    found_after(mv, beats, 22.0)


@pytest.mark.parametrize("n", [36, 54, 55, 360, 3600])
def test_after_a_gap(n: int) -> None:
    mv, beats = ecg(60)
    mv[7200 + n :] += 2
    found_after(mv, beats, 20 + n / FS_HZ + 0.3, gaps=[(7200, n)])


def test_after_all_leads_were_off() -> None:
    mv, beats = ecg(60)
    mv[7200:9000] = np.nan
    mv[9000:] -= 3
    found_after(mv, beats, 26.5)


def test_after_saturation() -> None:
    mv, beats = ecg(60)
    mv[7200:9000] = 5.0
    found_after(mv, beats, 26.5)


def test_a_step_of_the_electrode_is_no_beat() -> None:
    mv, beats = ecg(60)
    for beat in (25, 40, 55):
        start = round((beats[beat] + 0.32) * FS_HZ)
        mv[start : start + 55] += 3
    matched, missed, extra = compare(np.round(beats * FS_HZ), [peak.sample for peak in r_peaks_of(mv)])
    assert matched >= len(beats) - 1
    assert missed + extra <= 2


def test_search_back_finds_a_small_beat_late_but_soon() -> None:
    mv, beats = ecg(40)
    small = round(beats[25] * FS_HZ)
    mv[small - 80 : small + 150] *= np.float32(0.26)
    found = r_peaks_of(mv)
    assert_all_found(beats, found)
    late = [peak for peak in found if peak.sample > LEARNED and peak.decided - peak.sample > MOST_DELAY]
    assert [abs(peak.sample - small) <= 3 for peak in late] == [True]
    assert late[0].decided - small < 1.5 * 0.9 * FS_HZ


def test_nothing_is_carried_over_a_long_gap() -> None:
    mv, _ = ecg(30)
    alone = [peak.sample for peak in r_peaks_of(mv[:7200] * 20)]
    with_past = r_peaks_of(np.vstack([mv[:7200], mv[:3600], mv[:7200] * 20]), gaps=[(7200, 3600)])
    assert [peak.sample - 10800 for peak in with_past if peak.sample >= 10800] == alone


def test_a_gap_before_any_sample_passes() -> None:
    gap = Gap(start=0, n=100, decided=100)
    assert list(QrsDetector(1).push(gap)) == [gap]


def test_reset_makes_it_as_new() -> None:
    mv, _ = ecg(10)
    chain = first_stages()
    for message in cut(mv * 7, [100]):
        chain.push(message)
    chain.reset()
    assert events(through(chain, cut(mv, [100]))) == events(through(first_stages(), cut(mv, [100])))


# --- accuracy -------------------------------------------------------------------------------------------------------


def test_one_lead_of_a_hard_record(toy_ecg) -> None:
    """These five minutes of record 208 hold 500 annotated beats, a third of them ventricular."""
    assert 494 <= len(r_peaks_of(toy_ecg)) <= 506


@pytest.mark.parametrize(
    ("record", "se", "ppv"), [("108", 99.5, 98.8), ("203", 98.8, 99.4), ("208", 99.1, 99.3), ("207", 99.6, 99.7)]
)
def test_hard_records(mitdb: Path, record: str, se: float, ppv: float) -> None:
    wfdb = pytest.importorskip("wfdb")
    mv = wfdb.rdrecord(str(mitdb / record)).p_signal.astype(np.float32)
    marks = wfdb.rdann(str(mitdb / record), "atr")
    found = [peak.sample for peak in r_peaks_of(mv)]
    score = ec57.qrs(ec57.compare((marks.sample, marks.symbol), (found, ["N"] * len(found)), FS_HZ).table)
    assert 100 * score.se >= se
    assert 100 * score.ppv >= ppv
