import numpy as np
import pytest

from training.pages.layouts import CHEST, LAYOUTS, LIMB, arrange
from training.pages.look import GRID_COLOURS, GRID_STYLES, Look
from training.pages.renderer import Page, render_page

FS_HZ = 250.0
SMALL = 4.0
LEADS = LIMB + CHEST


def beats(duration_s: float = 4.0) -> dict[str, np.ndarray]:
    """Every lead another height of one narrow wave a second."""
    t = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    wave = np.exp(-(((t % 1.0 - 0.5) / 0.02) ** 2)) + 0.2 * np.exp(-(((t % 1.0 - 0.75) / 0.06) ** 2))
    return {lead: ((0.3 + 0.1 * i) * wave).astype(np.float32) for i, lead in enumerate(LEADS)}


def ink_under(page: Page, piece_index: int) -> tuple[float, float]:
    """Median brightness under a piece's trace, and of that place four millimetres above it."""
    piece = page.pieces[piece_index]
    grey = page.image.mean(axis=2)
    trace = page.trace(piece)
    flat = np.abs(piece.mv) < 0.05  # away from the waves, where a trace has no slope
    on = np.round(trace[flat]).astype(int)
    inside = (on >= 0).all(axis=1) & (on[:, 0] < grey.shape[1]) & (on[:, 1] < grey.shape[0])
    on = on[inside]
    above = np.maximum(on[:, 1] - round(2.5 * page.px_per_mm[1]), 0)
    return float(np.median(grey[on[:, 1], on[:, 0]])), float(np.median(grey[above, on[:, 0]]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("preset", ["clean", "rotated", "lit", "phone", "screen", "used"])
def test_the_trace_is_where_the_truth_says(layout: str, preset: str) -> None:
    page = render_page(beats(), FS_HZ, layout=layout, look=getattr(Look, preset)(px_per_mm=SMALL), seed=3)
    assert page.image.dtype == np.uint8
    assert page.image.ndim == 3
    for index in range(len(page.pieces)):
        on, above = ink_under(page, index)
        assert on < 0.85 * above, page.pieces[index].lead


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_cover_the_recording_once_per_row(layout: str) -> None:
    mv = beats()
    page = render_page(mv, FS_HZ, layout=layout, look=Look.clean(px_per_mm=SMALL), seed=1)
    n = len(mv["I"])
    for row in {round(piece.origin[1]) for piece in page.pieces}:
        pieces = [piece for piece in page.pieces if round(piece.origin[1]) == row]
        assert sum(len(piece.mv) for piece in pieces) == n
        for piece in pieces:
            start = round(piece.t0_s * FS_HZ)
            whole = mv[piece.lead]
            assert np.allclose(piece.mv, whole[start : start + len(piece.mv)] - np.median(whole), atol=1e-6)


def test_the_longest_piece_of_a_lead_is_its_truth() -> None:
    page = render_page(beats(), FS_HZ, layout="3x4+1", look=Look.clean(px_per_mm=SMALL))
    assert set(page.truth) == set(LEADS)
    assert len(page.truth["II"].mv) == 4 * len(page.truth["III"].mv)


@pytest.mark.parametrize("preset", ["clean", "rotated", "lit", "phone", "screen", "used"])
def test_equal_seeds_give_equal_pictures(preset: str) -> None:
    look = getattr(Look, preset)(px_per_mm=SMALL)
    first, again, other = (render_page(beats(), FS_HZ, look=look, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("preset", ["clean", "rotated", "phone", "used"])
def test_warp_is_undone_by_its_inverse(preset: str) -> None:
    for seed in range(8):
        page = render_page(beats(), FS_HZ, layout="rows", look=getattr(Look, preset)(px_per_mm=2.0), seed=seed)
        points = np.array([[x, y] for x in (20.0, 90.0, 180.0) for y in (30.0, 200.0, 600.0)])
        assert np.abs(page.surface.to_page(page.warp(points)) - points).max() < 0.02


def test_distances_on_a_clean_page_are_in_millimetres() -> None:
    look = Look.clean(
        px_per_mm=5.0, aspect=1.04, grid="red", grid_style="lines", pulse="left", mm_per_s=50, mm_per_mv=5
    )
    page = render_page(beats(), FS_HZ, layout="strip", look=look)
    assert page.px_per_mm == (5.0, 5.2)
    assert page.pulse
    piece = page.truth["I"]
    trace = page.trace(piece)
    assert trace[-1, 0] - trace[0, 0] == pytest.approx((len(piece.mv) - 1) / FS_HZ * 50 * 5.0)
    assert np.ptp(trace[:, 1]) == pytest.approx(np.ptp(piece.mv) * 5 * 5.2, rel=1e-5)


@pytest.mark.parametrize("style", GRID_STYLES)
@pytest.mark.parametrize("colour", GRID_COLOURS)
def test_the_grid_repeats_every_five_millimetres(style: str, colour: str) -> None:
    look = Look.clean(px_per_mm=8.0, grid=colour, grid_style=style, names=False, header=False, pulse="none")
    page = render_page({"I": np.zeros(1000, np.float32)}, FS_HZ, layout="strip", look=look, seed=2)
    profile = 255.0 - page.image[: round(page.truth["I"].origin[1]) - 20].min(axis=2).mean(axis=0)
    profile = profile[100:-100] - profile[100:-100].mean()
    spectrum = np.abs(np.fft.rfft(profile * np.hanning(len(profile)), 1 << 14))
    at = round((1 << 14) / 40)  # 40 px are 5 mm
    peak = spectrum[at - 3 : at + 4].max()
    if style == "none":
        assert peak < 1e-6
    else:
        assert peak > 5 * np.median(spectrum)


def test_a_telephone_sees_what_its_parts_do() -> None:
    pages = {
        name: render_page(beats(), FS_HZ, look=getattr(Look, name)(px_per_mm=SMALL, grid="red"))
        for name in ("clean", "lit")
    }
    brightness = {
        name: [np.median(part) for part in np.array_split(page.image, 6, axis=1)] for name, page in pages.items()
    }
    assert np.ptp(brightness["lit"]) > np.ptp(brightness["clean"]) + 10


def test_bad_records_are_refused() -> None:
    mv = beats()
    with pytest.raises(ValueError, match="unknown layout"):
        render_page(mv, FS_HZ, layout="4x4")
    with pytest.raises(ValueError, match="V6"):
        arrange("12x1", LEADS[:-1])
    with pytest.raises(ValueError, match="one length"):
        render_page({"I": mv["I"], "II": mv["II"][:-1]}, FS_HZ, layout="rows")
    mv["II"][7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        render_page(mv, FS_HZ)
