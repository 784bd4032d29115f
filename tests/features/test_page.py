"""What is measured of a 12-lead page."""

from __future__ import annotations

import numpy as np
import pytest

from edge.features.page import BEFORE, LEADS, NAMES, WINDOW, Measured, measure

R_S = np.arange(0.4, 10, 0.8)


def page(fs_hz: float = 500.0, *, columns: bool = False, height: float = 1.0) -> dict[str, np.ndarray]:
    t = np.arange(round(10 * fs_hz)) / fs_hz
    leads = {}
    for k, name in enumerate(LEADS):
        mv = 0.3 + sum((height - 0.1 * k) * np.exp(-(((t - r) / 0.02) ** 2)) for r in R_S)
        shown = (t >= 2.5 * (k // 3)) & (t < 2.5 * (k // 3) + 2.5) if columns else np.ones(len(t), bool)
        leads[name] = np.where(shown, mv, np.nan).astype(np.float32)
    return leads


def measured(leads: dict[str, np.ndarray], fs_hz: float = 500.0, labels: str | None = None) -> Measured:
    found = measure(leads, fs_hz, np.round(R_S * fs_hz).astype(int).tolist(), labels or "N" * len(R_S))
    assert found is not None
    return found


def test_the_median_beats_are_in_mv_from_their_level_before_qrs() -> None:
    found = measured(page())
    assert found.beats.shape == (WINDOW, len(LEADS))
    assert found.beats.argmax(axis=0)[0] == BEFORE
    np.testing.assert_allclose(found.beats[BEFORE], [1.0 - 0.1 * k for k in range(12)], atol=0.05)
    np.testing.assert_allclose(found.beats[:8], 0, atol=0.01)
    assert found.numbers.shape == (len(NAMES),)
    assert found.numbers[0] == pytest.approx(75, abs=0.1)


def test_a_page_of_columns_measures_as_one_of_whole_leads() -> None:
    np.testing.assert_allclose(measured(page(columns=True)).beats, measured(page()).beats, atol=0.02)


def test_the_rate_of_the_samples_does_not_matter() -> None:
    np.testing.assert_allclose(measured(page(250.0), 250.0).beats, measured(page()).beats, atol=0.05)


def test_ventricular_beats_count_but_are_not_in_the_median() -> None:
    leads = page()
    labels = "NNVNNNNNNVNN"
    for r in (R_S[2], R_S[9]):
        at = np.arange(5000) / 500
        leads["V3"] = leads["V3"] + (3 * np.exp(-(((at - r) / 0.06) ** 2))).astype(np.float32)
    found = measured(leads, labels=labels)
    np.testing.assert_allclose(found.beats, measured(page()).beats, atol=0.02)
    assert found.numbers[NAMES.index("ventricular")] == pytest.approx(2 / 12)


def test_what_is_huge_is_cut_off_and_finite() -> None:
    found = measured(page(height=50.0))
    assert np.abs(found.beats).max() == 3
    assert np.isfinite(found.numbers).all()


def test_too_few_beats_or_leads_give_nothing() -> None:
    leads = page()
    assert measure(leads, 500.0, [200, 600], "NN") is None
    few = {name: mv for name, mv in leads.items() if name not in ("V4", "V5", "V6")}
    assert measure(few, 500.0, np.round(R_S * 500).astype(int).tolist(), "N" * 12) is None
    empty = {name: np.full(5000, np.nan, np.float32) for name in LEADS}
    assert measure(empty, 500.0, [200, 600, 1000], "NNN") is None
