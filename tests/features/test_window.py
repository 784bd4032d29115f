"""The window of a beat, and the leads it is cut from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.features.window import LEADS, WINDOW, WINDOW_HZ, choose_leads, cut
from edge.messages import FS_HZ


@pytest.mark.parametrize("r", [0, 143, 144, 500, 759, 760, 999])
def test_a_window_is_a_third_of_the_samples_from_400_ms_before_r(r: int) -> None:
    rng = np.random.default_rng(r)
    mv = rng.normal(size=(1000, LEADS)).astype(np.float32)
    rows = np.clip(r - 144 + 3 * np.arange(128), 0, 999)
    expected = mv[rows]
    expected -= np.sort(expected, axis=0)[64]
    np.testing.assert_array_equal(cut(mv, [r, 500])[0], expected)
    assert (FS_HZ / 3, len(expected)) == (WINDOW_HZ, WINDOW)


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("MLII", "V1"), (0, 1)),
        (("V5", "MLII"), (1, 0)),  # record 114
        (("ECG1", "ECG2"), (0, 1)),
        (("V1", "V2"), (0, 1)),
        (("V2", "V1"), (0, 1)),
        (("V5", "V2", "I"), (2, 1)),
        (("I", "MLI", "II", "V6"), (2, 3)),
        (("lead II", "Lead_V1"), (0, 1)),
        (("Lead_V1", "lead-II "), (1, 0)),
        (("aVR", "aVL"), (0, 1)),
        (("aVR", "aVL", "III"), (0, 1)),
        (("III", "MV1", "D2"), (2, 1)),
        (("II", "II"), (0, 1)),
        (("II", "V4", "V3", "V5"), (0, 3)),
        (("ECG",), (0,)),
        (("V1",), (0,)),
    ],
)
def test_the_leads_a_model_knows_come_first(names: tuple[str, ...], columns: tuple[int, ...]) -> None:
    assert choose_leads(names) == columns


FIRST = ("II", "MLII", "ML2", "D2", "ECG1", "ECG", "I", "MLI")
SECOND = ("V1", "MV1", "V2", "V5", "ECG2", "V3", "V4", "V6")


@given(st.permutations([*FIRST, *SECOND]), st.integers(1, 16))
def test_of_many_leads_the_most_preferred_are_taken(names: list[str], n: int) -> None:
    first, *second = choose_leads(names[:n])
    known = [name for name in FIRST if name in names[:n]]
    assert names[first] == (known[0] if known else names[0])
    assert len(second) == (n > 1)
    chest = [name for name in SECOND if name in names[:n] and name != names[first]]
    assert not (chest and second) or names[second[0]] == chest[0]
