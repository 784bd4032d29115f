"""The device and the broker are killed at random, the network swallows everything: no phase of an alert is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from broker import MOSQUITTO
from numpy.typing import NDArray

from benchmarks import durability


def test_no_phase_of_an_alert_is_lost_or_out_of_order(toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    counts = durability.run(tmp_path, toy_ecg, kills=5, restarts=2, seed=7)
    print(durability.report(counts))
    assert counts.flawless, counts
    assert (counts.device_kills, counts.broker_kills) == (5, 2)
    assert counts.phases_decided > 40
