import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import paper, paper_cases
from benchmarks.paper_device import SIZE, printed_rate
from benchmarks.paper_scores import Truth, compare_beats, decibels, mean_of_ratios, rate_bpm, score_lead

FS_HZ = 360.0


@pytest.fixture
def truth(toy_ecg) -> Truth:
    return Truth("II", toy_ecg[3600:7200, 0], FS_HZ, (0.0,))


def test_decibels_are_the_ratio_of_signal_to_error() -> None:
    s = np.sin(np.arange(4000) / 40).astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 0.1, 4000).astype(np.float32)
    expected = 10 * math.log10(np.square(s - np.median(s)).sum() / np.square(noise).sum())
    assert decibels(s, s + noise + 3.0) == pytest.approx(expected, abs=0.1)
    assert decibels(s, np.full(4000, np.nan, np.float32)) == 0.0


def test_a_delay_costs_unless_it_is_taken_out(truth: Truth) -> None:
    late = np.concatenate([np.zeros(36, np.float32), truth.mv])
    score = score_lead(truth, late, FS_HZ)
    assert score is not None
    assert score.as_read < 3
    assert score.aligned > 25


def test_what_was_not_read_costs_and_half_is_too_little(truth: Truth) -> None:
    read = truth.mv.copy()
    assert score_lead(truth, read, FS_HZ).as_read > 60
    read[:600] = np.nan
    assert score_lead(truth, read, FS_HZ).as_read < 20
    read[:2000] = np.nan
    assert score_lead(truth, read, FS_HZ) is None


def test_a_piece_may_begin_where_its_column_stands(truth: Truth) -> None:
    apart = Truth("V1", truth.mv, FS_HZ, (2.5, 2.74))
    for start in apart.starts_s:
        read = np.concatenate([np.full(round(start * FS_HZ), np.nan, np.float32), truth.mv])
        assert score_lead(apart, read, FS_HZ).as_read > 20


def test_the_mean_of_ratios_is_led_by_the_best() -> None:
    assert mean_of_ratios([10.0, 10.0]) == pytest.approx(10.0)
    assert mean_of_ratios([0.0, 30.0]) > 25


def test_beats_are_those_of_the_record(truth: Truth) -> None:
    beats = compare_beats(truth, truth.mv, FS_HZ)
    assert beats.hits > 8
    assert (beats.missed, beats.extra) == (0, 0)
    assert beats.same_rate
    flat = compare_beats(truth, np.zeros_like(truth.mv), FS_HZ)
    assert (flat.hits, flat.extra) == (0, 0)
    assert not flat.same_rate
    assert rate_bpm(np.array([0.0, 1.0])) is None
    assert rate_bpm(np.array([0.0, 1.0, 2.0])) == 60


def row_of(case: paper_cases.Case, read: paper.Read, leads: dict[str, np.ndarray]) -> paper.Row:
    row = paper.Row()
    paper._score(row, case, read, leads)
    return row


def test_failures_are_counted_and_in_no_mean(truth: Truth) -> None:
    case = paper_cases.Case("x", np.zeros((9, 9, 3), np.uint8), (truth,), (8.0, 8.0), "strip")
    right = paper.Read(0.1, fs_hz=FS_HZ, px_per_mm=(8.0, 8.08), layout="strip")
    good = row_of(case, right, {"I": truth.mv})
    assert len(good.as_read) == 1
    assert sorted(good.pitch) == pytest.approx([0.0, 0.01])
    refused = row_of(case, paper.Read(0.1, refused="too blurred"), {})
    assert (refused.refused, refused.as_read, refused.lost_leads) == (["x: too blurred"], [], 1)
    failed = row_of(case, paper.Read(0.1, failed="ValueError: no"), {})
    assert (failed.failed, failed.as_read) == (["x: ValueError: no"], [])
    page = paper_cases.Case("x", case.image, (truth,), None, "3x4")
    unnamed = row_of(page, right, {"V1": truth.mv})
    assert (len(unnamed.failed), unnamed.as_read) == (1, [])


def test_our_cases_are_what_they_say(data_dir: Path) -> None:
    for name in ("mitdb", "ptbxl"):
        if not (data_dir / name).is_dir():
            pytest.skip(f"needs {name} in {data_dir}")
    cases = list(paper_cases.ours(data_dir, "clean", 6))
    assert {case.layout for case in cases} >= {"strip", "rows", "3x4+1", "12x1"}
    for case in cases:
        assert len({truth.lead for truth in case.truths}) == len(case.truths)
        longest_s = max(len(truth.mv) / truth.fs_hz for truth in case.truths)
        assert longest_s == pytest.approx({"6x2": 5, "3x4": 2.5}.get(case.layout, 10), abs=0.01)


def test_the_independent_renderer_tells_the_same_truth(data_dir: Path) -> None:
    pytest.importorskip("ecg_plot", reason="needs the independent renderer ecg-plot (extra bench)")
    for case in paper_cases.independent(data_dir, "clean", 3):
        dark = case.image.max(axis=2) < 90
        assert dark.any(axis=0).sum() > 0.6 * case.image.shape[1]


def test_the_device_prints_its_rate(data_dir: Path) -> None:
    pages = data_dir / "ecg_pages" / "HB"
    if not pages.is_dir():
        pytest.skip(f"needs ecg_pages in {data_dir}")
    for number, rate in ((10, 82), (103, 79), (106, 84), (11, 118)):
        assert printed_rate(cv2.imread(str(pages / f"HB_{number}.jpg"))) == rate


def test_where_no_rate_is_printed_none_is_read() -> None:
    assert printed_rate(np.full((*SIZE, 3), 255, np.uint8)) is None
    assert printed_rate(np.zeros((*SIZE, 3), np.uint8)) is None
    assert printed_rate(np.full((10, 10, 3), 255, np.uint8)) is None
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    assert printed_rate(noise) is None
