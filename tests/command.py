"""Fixtures: the `ecg-edge` command as users have it, and a record to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

REPO = Path(__file__).resolve().parent.parent
INSTALLED = Path(sys.executable).parent / "ecg-edge"
COMMAND = [str(INSTALLED)] if INSTALLED.is_file() else [sys.executable, "-m", "edge.cli.app"]

# Each command of a test keeps its state in a folder of its own, so that none finds another's alerts.
_STATE = tempfile.TemporaryDirectory(prefix="ecg-edge-state-")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a user: no data folder, no cache, nobody's settings."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ECG_EDGE_", "XDG_", "COLUMNS", "STATE_"))
    }
    path = {} if INSTALLED.is_file() else {"PYTHONPATH": str(REPO)}
    state = tempfile.mkdtemp(dir=_STATE.name)
    return kept | path | {"XDG_CACHE_HOME": os.devnull, "XDG_STATE_HOME": state, "OMP_NUM_THREADS": "1"} | extra


@pytest.fixture
def ecg_edge(tmp_path: Path) -> Run:
    """Run the command in an empty folder."""

    def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(**env), capture_output=True, text=True, timeout=120, check=False
        )

    return run


@contextmanager
def started(*arguments: str | Path, command: Sequence[str] = COMMAND, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command beside the test; it is killed in the end if it has not ended by itself."""
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=REPO,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def write_record(folder: Path, name: str, mv: NDArray[np.float32], fs_hz: float = 360) -> Path:
    """Write a WFDB record, format 16, 1 µV a step; return its path without extension."""
    import wfdb

    leads = ["MLII", "V1", "V5"][: mv.shape[1]]
    n = mv.shape[1]
    wfdb.wrsamp(
        name,
        fs=fs_hz,
        units=["mV"] * n,
        sig_name=leads,
        p_signal=mv.astype(np.float64),
        fmt=["16"] * n,
        adc_gain=[1000.0] * n,
        baseline=[0] * n,
        write_dir=str(folder),
    )
    return folder / name


@pytest.fixture(scope="session")
def toy_record(toy_ecg: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy ECG as a WFDB record."""
    return write_record(tmp_path_factory.mktemp("records"), "toy", toy_ecg)
