"""Pictures whose signals are known, through the whole chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.paper import Digitized, digitize, read_picture
from training.pages.look import Look
from training.pages.renderer import Page, render_page

FS_HZ = 500.0
Ecg = Callable[..., dict[str, np.ndarray]]


def decibels(page: Page, read: Digitized, name: str, lead: str) -> float:
    """Of one lead, after the best shift of at most 0.1 s."""
    true = page.truth[name]
    best = -99.0
    for shift in np.arange(-0.1, 0.1001, 0.002):
        at = true.t0_s + np.arange(len(true.mv)) / true.fs_hz + shift
        mv = np.interp(at, np.arange(len(read.leads[lead])) / read.fs_hz, read.leads[lead])
        error = (true.mv - np.median(true.mv)) - (mv - np.nanmedian(mv))
        error = np.where(np.isfinite(error), error, true.mv)
        signal = true.mv - np.median(true.mv)
        best = max(best, float(10 * np.log10((signal**2).sum() / (error**2).sum())))
    return best


@pytest.mark.parametrize(
    ("look", "least"),
    [(Look.clean(), 15.0), (Look.rotated(), 12.0), (Look.lit(), 12.0), (Look.phone(), 10.0)],
    ids=["clean", "rotated", "lit", "phone"],
)
def test_a_strip_becomes_the_signal_that_was_printed(ecg: Ecg, look: Look, least: float) -> None:
    page = render_page({"II": ecg(8.0)["II"]}, FS_HZ, layout="strip", look=look, seed=5)
    read = read_picture(page.image)
    assert read.refused is None
    assert read.layout == "strip"
    assert decibels(page, read, "II", next(iter(read.leads))) >= least


@pytest.mark.parametrize("layout", ["3x4", "3x4+1", "3x4+3", "6x2", "6x2+1", "12x1", "rows"])
def test_leads_are_found_and_named(ecg: Ecg, layout: str) -> None:
    leads = ecg()
    if layout == "rows":
        leads = {name: leads[name] for name in ("II", "V1")}
    page = render_page(leads, FS_HZ, layout=layout, look=Look.clean(px_per_mm=7.0), seed=2)
    read = read_picture(page.image)
    assert read.refused is None
    assert read.layout == layout
    names = list(read.leads) if layout == "rows" else list(page.truth)
    scores = [decibels(page, read, true, name) for true, name in zip(page.truth, names, strict=True)]
    assert np.mean(scores) >= 14
    assert {lead.name for lead in read.quality} == set(read.leads)


@pytest.mark.parametrize("pitch", [6.3, 8.0, 9.71])
@pytest.mark.parametrize("aspect", [1.0, 0.96])
def test_the_pitch_of_both_axes_is_measured(ecg: Ecg, pitch: float, aspect: float) -> None:
    look = Look.clean(px_per_mm=pitch, aspect=aspect)
    page = render_page({"II": ecg(6.0)["II"]}, FS_HZ, layout="strip", look=look, seed=4)
    assert read_picture(page.image).px_per_mm == pytest.approx((pitch, pitch * aspect), rel=1e-3)


@pytest.mark.parametrize(("gain", "speed"), [(5.0, 25.0), (10.0, 25.0), (20.0, 25.0), (10.0, 50.0)])
def test_the_pulse_says_gain_and_speed(ecg: Ecg, gain: float, speed: float) -> None:
    look = Look.clean(px_per_mm=7.0, pulse="left", mm_per_mv=gain, mm_per_s=speed, names=False)
    page = render_page({"II": 0.6 * ecg(6.0)["II"]}, FS_HZ, layout="strip", look=look, seed=6)
    read = read_picture(page.image)
    assert (read.mm_per_mv, read.mm_per_s) == (gain, speed)
    assert not read.assumed


def test_what_no_pulse_says_is_stated_as_assumed(ecg: Ecg) -> None:
    page = render_page({"II": ecg(6.0)["II"]}, FS_HZ, layout="strip", look=Look.clean(pulse="none"), seed=1)
    assumed = " ".join(read_picture(page.image).assumed)
    assert "10 mm/mV" in assumed
    assert "25 mm/s" in assumed


def test_the_overlay_shows_the_trace_where_it_is(ecg: Ecg, tmp_path: Path) -> None:
    page = render_page({"II": ecg(6.0)["II"]}, FS_HZ, layout="strip", look=Look.clean(), seed=1)
    cv2.imwrite(str(tmp_path / "strip.png"), page.image)
    plain, drawn = digitize(tmp_path / "strip.png"), digitize(tmp_path / "strip.png", overlay=True)
    assert plain.overlay is None
    assert drawn.overlay is not None
    blue = (drawn.overlay[..., 0].astype(int) - drawn.overlay[..., 2] > 100).any(axis=0)
    assert blue.mean() > 0.6


def test_names_that_cannot_be_right_are_said_to_be_doubtful(ecg: Ecg) -> None:
    leads = ecg()
    swapped = leads | {"I": leads["V2"], "V2": leads["I"]}
    look = Look.clean(px_per_mm=6.5)
    right, wrong = (
        read_picture(render_page(mv, FS_HZ, layout="3x4+1", look=look, seed=2).image) for mv in (leads, swapped)
    )
    assert not any("doubtful" in line for line in right.assumed)
    assert any("doubtful" in line for line in wrong.assumed)


@pytest.mark.parametrize("side", ["left", "both"])
def test_where_the_picture_cuts_a_trace_off_time_begins_at_its_edge(ecg: Ecg, side: str) -> None:
    mv = ecg(8.0)["II"]
    page = render_page(
        {"II": mv}, FS_HZ, layout="strip", look=Look.clean(px_per_mm=7.0, pulse="none", names=False), seed=3
    )
    x = page.trace(page.pieces[0])[:, 0]
    first = int(x[0]) + 150
    last = int(x[-1]) - 150 if side == "both" else page.image.shape[1]
    read = read_picture(np.ascontiguousarray(page.image[:, first:last]))
    lead = next(iter(read.leads.values()))
    known = np.flatnonzero(np.isfinite(lead))
    begins_s = (first - 0.5 - x[0]) / (x[1] - x[0]) / FS_HZ
    times = np.arange(len(mv)) / FS_HZ - begins_s

    def miss(shift_s: float) -> float:
        return float(np.abs(np.interp(known / read.fs_hz + shift_s, times, mv - np.median(mv)) - lead[known]).mean())

    assert abs(min(np.arange(-0.03, 0.0301, 0.001), key=miss)) <= 0.003
    assert known[0] / read.fs_hz < 0.03


def test_lines_between_columns_are_not_followed(ecg: Ecg) -> None:
    page = render_page(ecg(), FS_HZ, layout="3x4+1", look=Look.clean(px_per_mm=6.5, separators=False), seed=2)
    ruled = page.image.copy()
    boxes = [piece.box for piece in page.pieces if piece.lead in ("aVR", "V1", "V4", "aVF", "V3", "V6")]
    for x in {round(box[0]) for box in boxes}:
        cv2.line(
            ruled, (x, round(min(box[1] for box in boxes))), (x, round(max(box[3] for box in boxes))), (10, 10, 10), 2
        )
    plain, read = read_picture(page.image), read_picture(ruled)
    for name, lead in plain.leads.items():
        assert np.nanmax(np.abs(read.leads[name])) <= np.nanmax(np.abs(lead)) + 0.1, name


@pytest.mark.parametrize("layout", ["3x4+1", "6x2+1", "12x1"])
def test_without_a_grid_the_pulses_give_the_scale(ecg: Ecg, layout: str) -> None:
    look = Look.clean(px_per_mm=6.4, grid_style="none", pulse="left", header=False, mm_per_s=25.0, mm_per_mv=10.0)
    page = render_page(ecg(), FS_HZ, layout=layout, look=look, seed=2)
    read = read_picture(page.image)
    assert read.refused is None
    assert read.layout == layout
    assert read.px_per_mm == pytest.approx((6.4, 6.4), rel=0.015)
    assert any("no grid" in what for what in read.assumed)
    assert np.mean([decibels(page, read, name, name) for name in page.truth]) >= 12


def test_without_a_grid_and_without_pulses_there_is_no_scale(ecg: Ecg) -> None:
    look = Look.clean(px_per_mm=6.4, grid_style="none", pulse="none", header=False)
    read = read_picture(render_page(ecg(), FS_HZ, layout="3x4+1", look=look, seed=2).image)
    assert read.refused is not None
    assert read.refused.cause == "no grid"
