"""What is measured of a beat, in one short text that changes when the features do, and only then.

Models learn from features, so a model and the code that describes beats to it must agree. `FINGERPRINT` stands in every
model's card and in whatever training keeps; where it differs, the model is refused and the rest made anew.

It is not a hash of the code, which changes without the features, nor of their values, whose last digits depend on the
machine. Artificial beats are described by the code as it is, and two sums over each feature are compared with those in
`reference.json`. While they agree, the fingerprint is the hash of that file, otherwise that of the sums. Whoever means
to change a feature writes the file anew (``python -m edge.features.fingerprint``) and trains the models again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.features.history import NAMES, History
from edge.features.noise import Noise
from edge.features.timing import TIMING_NAMES, Timing
from edge.features.window import BEFORE, LEADS, WINDOW, WINDOW_HZ, choose_leads, cut

REFERENCE = Path(__file__).parent / "reference.json"
TOLERANCE = 2e-3
"""How far a sum may lie from its reference; machines differ by a hundredth of that."""

_BEATS, _INTERVALS = 64, 300
"""Beats, and intervals: enough for the longest horizon."""
_GOLDEN = (math.sqrt(5) - 1) / 2
_NOISES = ("larger", "faster", "both")
_ANGLE = NAMES.index("qrs_angle_best")
_TIME_S = (np.arange(WINDOW) - BEFORE) / WINDOW_HZ
_ORDERS = (("V1", "II"), ("aVR", "V5"), ("ECG",), ("I", "x", "MLII"))


def measure() -> dict[str, tuple[float, float]]:
    """Describe artificial beats; return two sums over each thing that is measured.

    Returns
    -------
    dict
        By feature: the sum over beats, weighted by one plus a sine and by a cosine of an angle that turns.
    """
    history, timing = History(), Timing()
    windows = np.stack([_beat(number) for number in range(_BEATS)])
    intervals = [_intervals(number) for number in range(_BEATS)]
    scaled, features = history.describe(windows, *zip(*intervals, strict=True))
    sums = _sums(NAMES, list(features)[1:])  # the first has nothing to be compared with
    sums |= _sums(("scaled",), [[_signature(window)] for window in scaled])
    long = [timing.features(*_intervals(number)) for number in range(_INTERVALS)]
    sums |= _sums([f"{name}, long" for name in TIMING_NAMES], long)
    sums |= _sums(_NOISES, [list(flags) for flags in zip(*(_judged(name, windows) for name in _NOISES), strict=True)])
    signal = np.concatenate(windows[:8])
    sums |= _sums(("window",), [[_signature(window)] for window in cut(signal, (100, 400, len(signal) - 50))])
    chosen = [column for leads in _ORDERS for column in choose_leads(leads)]
    return sums | _sums(("form",), [[value] for value in (*chosen, WINDOW_HZ, BEFORE, WINDOW, LEADS)])


def fingerprint(measured: dict[str, tuple[float, float]], reference: dict[str, tuple[float, float]]) -> str:
    """Return the hash of the reference if what was measured agrees with it, else of what was measured."""
    same = measured.keys() == reference.keys() and np.allclose(
        [measured[name] for name in reference], list(reference.values()), rtol=0, atol=TOLERANCE
    )
    text = json.dumps(reference if same else _rounded(measured), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_reference() -> dict[str, tuple[float, float]]:
    """Return the sums that the features had when the reference was written."""
    return {name: (first, second) for name, (first, second) in json.loads(REFERENCE.read_text("utf-8")).items()}


def _kind(number: int) -> int:
    """Return 0 for a usual beat, 1 for a premature one, 2 to 5 for wide ones, in no simple order."""
    chance = math.fmod((number + 1) * _GOLDEN, 1)
    return 0 if chance < 0.55 else 1 if chance < 0.7 else 2 + int((chance - 0.7) * 40) % 4


def _intervals(number: int) -> tuple[float | None, float | None]:
    """Return the intervals before and after a beat, s; some are not known."""
    before, after = _interval(number), _interval(number + 1)
    return None if number == 0 else before, None if number % 37 == 36 else after


def _interval(number: int) -> float:
    wander = 0.09 * math.sin(0.31 * number) + 0.03 * math.sin(2.17 * number) + 0.2 * math.sin(0.013 * number)
    if 30 <= number < 45 or number % 60 > 52:  # a run
        return 0.44 + (0.1 if number < 60 else 0.5) * wander
    if number % 97 == 50:
        return 0.1
    short, long = _kind(number) in (1, 2), _kind(number - 1) in (1, 2)
    return (0.83 + wander) * (0.61 if short else 1.31 if long else 1.0) + (1.4 if number % 53 == 52 else 0)


def _beat(number: int) -> NDArray[np.float32]:
    """Return the window of a beat, shape (WINDOW, LEADS), mV."""
    kind, turn = _kind(number), 0.9 * math.sin(1.7 * number)
    wide = (0.0, 0.0, 1.0, 0.4, 0.8, 1.2)[kind]
    late = (0.0, 0.0, 0.0, 0.0, 0.05, -0.05)[kind]
    p_at = -0.12 + 0.01 * turn if kind == 1 else -0.18 + 0.01 * turn
    waves = (  # R, S, the broad one and its end, P, T, the T wave before: place, width in s, size in mV by lead
        (0.002 * turn, 0.016, (1 - wide) * 1.1, (1 - wide) * 0.6),
        (0.03, 0.012, (wide - 1) * 0.3, (wide - 1) * 0.5),
        (0.02 + late, 0.05 + 0.004 * turn, wide * -1.4, wide * 0.8),
        (0.09, 0.04, wide * 0.5, wide * 0.4),
        (p_at, 0.022 + 0.003 * turn, (1 - wide) * 0.14, (1 - wide) * 0.09),
        (0.27 + 0.02 * turn, 0.06, 0.25 - 0.5 * wide, 0.2 - 0.3 * wide),
        (-0.33, 0.05, 0.04 * turn, 0.02),
    )
    at, width, *sizes = np.array(waves).T
    shapes = np.exp(-(((_TIME_S[:, None] - at) / width) ** 2))
    drift = 0.04 * np.sin(5 * _TIME_S + number)[:, None]
    return np.asarray((1 + 0.07 * turn) * (shapes @ np.stack(sizes, axis=1)) + drift, np.float32)


def _judged(name: str, windows: NDArray[np.float32]) -> list[bool]:
    """Return which windows are noisy if waves are added that grow, change their frequency, or come to both leads."""
    features, added = np.zeros((len(windows), len(NAMES)), np.float32), np.zeros(windows.shape)
    for number in range(len(windows)):
        part = number / _BEATS
        hz, size = (3.2 + 4 * part, 1.0) if name == "faster" else (9.0, 1.5 * part)
        waves = np.sin(2 * math.pi * hz * _TIME_S + number)[:, None] * (size, size if name == "both" else 0)
        features[number, _ANGLE] = 0.9 if number % 2 else 0.3 if name == "both" else 0.2 + part
        added[number] = waves
    return Noise().judge(np.asarray(windows + added, np.float32), features)


def _signature(window: NDArray[np.float32]) -> float:
    return float(np.cos(np.arange(window.size)) @ window.ravel())


def _sums(names: Sequence[str], rows: Sequence[ArrayLike]) -> dict[str, tuple[float, float]]:
    turns = np.arange(len(rows)) * 2 * math.pi * _GOLDEN
    first, second = np.stack([np.sin(turns) + 1, np.cos(turns)]) @ np.array(rows, np.float64)
    return dict(zip(names, zip(first.tolist(), second.tolist(), strict=True), strict=True))


def _rounded(sums: dict[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: [round(value, 4) for value in pair] for name, pair in sums.items()}


def _write() -> None:
    REFERENCE.write_text(json.dumps(_rounded(measure()), indent=0) + "\n", "utf-8")


FINGERPRINT = fingerprint(measure(), read_reference()) if REFERENCE.exists() else ""
"""Of the features of this program."""


if __name__ == "__main__":
    _write()
