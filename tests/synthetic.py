"""Synthetic patients and records for the training tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from edge.features.history import NAMES
from edge.features.window import LEADS, WINDOW
from training.datasets import LabelledBeats

MakeRecord = Callable[..., Path]


def make_beats(
    record: str = "101", n: int = 200, seed: int = 0, database: str = "mitdb", variant: str = ""
) -> LabelledBeats:
    """Make beats of a patient whose classes differ plainly in window and features."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=[0.6, 0.2, 0.2]).astype(np.int8)
    windows = rng.normal(0, 0.05, (n, WINDOW, LEADS)).astype(np.float32)
    windows[:, 44:52] += np.where(labels == 2, 1.5, 0.7).astype(np.float32)[:, None, None]
    features = rng.normal(0, 0.3, (n, len(NAMES))).astype(np.float32)
    features[:, :4] += np.where(labels == 1, -2, 1).astype(np.float32)[:, None]
    return LabelledBeats(
        database=database,
        record=record,
        variant=variant,
        windows=windows,
        features=features,
        labels=labels,
        samples=np.arange(1, n + 1, dtype=np.int64) * 300,
        usable=np.ones(n, bool),
        noisy=np.zeros(n, bool),
        missed=np.zeros(5, np.int64),
    )


def write_record(
    parent: Path,
    name: str,
    *,
    symbols: str = "NNNNNNNNANNNNVNNNNNN",
    fs_hz: int = 360,
    database: str = "mitdb",
    leads: tuple[str, ...] = ("MLII", "V1"),
) -> Path:
    """Write a WFDB record of QRS-like waves with annotations, and return its folder."""
    rr = np.array([{"A": 0.55, "V": 0.6}.get(symbol, 0.8) for symbol in symbols])
    peaks = np.round((1 + np.cumsum(rr)) * fs_hz).astype(np.int64)
    time = np.arange(peaks[-1] + 2 * fs_hz)
    signal: NDArray[np.float64] = np.zeros(len(time))
    for peak, symbol in zip(peaks, symbols, strict=True):
        width, size = (0.05, -1.8) if symbol == "V" else (0.015, 1.0)
        signal += size * np.exp(-(((time - peak) / (width * fs_hz)) ** 2))
        signal += 0.2 * np.exp(-(((time - peak - 0.28 * fs_hz) / (0.06 * fs_hz)) ** 2))
    folder = parent / database
    folder.mkdir(exist_ok=True)
    columns = np.stack([signal * scale for scale in (1.0, 0.6)[: len(leads)]], axis=1)
    n = len(leads)
    wfdb.wrsamp(name, fs_hz, ["mV"] * n, list(leads), columns, fmt=["16"] * n, write_dir=str(folder))
    wfdb.wrann(name, "atr", peaks, list(symbols), write_dir=str(folder))
    return folder
