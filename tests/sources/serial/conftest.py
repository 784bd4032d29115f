"""Fixtures of the sources' tests."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def signal(toy_ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    """A hundred seconds of two leads whose values are whole counts of 5 µV."""
    mv = np.round(toy_ecg[:36_000] * 200) / 200
    return np.concatenate([mv, -mv], axis=1).astype(np.float32)
