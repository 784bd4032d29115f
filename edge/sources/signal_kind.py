"""What a signal is, an ECG or something else: by its name, its unit and how it behaves. Pure functions, no I/O.

Boards and records carry more than ECG: clocks, counters, rates, respiration, pulse waves, pressures, flags. Read as
leads they raise alarms of their own. A name or a unit decides where it says enough; else behaviour does, and what
cannot be told stays a lead, for an ECG left unread is worse than a lead that cannot be read:

>>> verdicts = [kind_of(name, unit, column, fs_hz) for ...]      # one per signal
>>> chosen, notes = choose_leads(names, verdicts)                # columns to read, and what to tell the user
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Kind = Literal[
    "ecg",
    "unknown",
    "clock",
    "counter",
    "constant",
    "flag",
    "rate",
    "level",
    "temperature",
    "respiration",
    "pulse",
    "pressure",
    "movement",
    "other",
]
"""`unknown` may be an ECG; `rate` is a number per minute; `level` is held for long, as a battery's is."""

MIN_SECONDS = 1.5
"""Less signal than that says nothing of an ECG; clocks, counters and flags are told from it all the same."""
SURE_SECONDS = 6.0
"""From so much signal respiration and pulse waves are told; before, they are `unknown`."""

_BY_NAME, _BY_UNIT = "its name", "its unit"

_TITLES: dict[Kind, str] = {
    "ecg": "an ECG",
    "unknown": "not clear",
    "clock": "a clock",
    "counter": "a counter",
    "constant": "always the same",
    "flag": "a flag",
    "rate": "a rate",
    "level": "a level that is held for long",
    "temperature": "a temperature",
    "respiration": "respiration, or as slow and smooth",
    "pulse": "a pulse wave",
    "pressure": "a pressure",
    "movement": "movement",
    "other": "no ECG",
}

# Names of one of these words, or of two of them that make one (`heart rate`). What a signal was made into stands before
# what it was made of: `ECG HR` is a rate.
_WORDS: dict[Kind, str] = {
    "flag": "lod leadoff leadsoff leadoffp leadoffn lo+ lo- lop lon status flag marker button trigger event valid",
    "rate": "hr bpm heartrate pulserate resprate respirationrate breathrate rr rri ibi ppi hrv rmssd sdnn",
    "temperature": "temp temperature degc celsius thermistor",
    "respiration": "resp respiration respiratory rsp breath breathing airflow nasal thorax thoracic abdomen abdominal "
    "abdo bioz impedance",
    "pulse": "ppg pleth plethysmogram plet ir infrared red pulse",
    "level": "spo2 sao2 so2 spo etco2 co2 oxygen saturation bat batt battery vbat vcc charge rssi humidity threshold",
    "pressure": "abp art cvp pap icp ibp nibp bp pressure",
    "movement": "acc accel accelerometer gyro mag ax ay az gx gy gz mx my mz accx accy accz",
    "clock": "time timestamp millis micros millisecond milliseconds microsecond microseconds second seconds sec secs "
    "clock elapsed date datetime epoch uptime unix",
    "counter": "seq sequence count counter cnt idx index frame packet sampleno samplenumber samplecount sampleindex",
    "other": "eeg eog emg gsr eda sound audio sv",
    "ecg": "ecg ekg lead",
}
_LEAD = re.compile(
    r"(mod )?(m?l?i{1,3}|ml\d|-?a[vu][rlf]|v[1-9]r?|v[xyz]|[mc]cl\d?|c[mcsr]\d|d[1-3])([ -].*)?"
    r"|(ecg|ekg|lead) ?[\dox].*"
)
# Two meanings each; how the signal behaves decides. `I` is a lead, `i` an index.
_AMBIGUOUS = frozenset({"i", "t", "n", "v"})
_UNITS: dict[Kind, str] = {
    "clock": "s ms us µs ns sec second seconds min h",
    "rate": "bpm /min 1/min beats/min breaths/min rpm",
    "temperature": "c f °c °f degc degf celsius k",
    "pressure": "mmhg cmh2o pa kpa mbar hpa",
    "level": "% percent pct",
    "respiration": "ohm ohms ω kω l/min l ml",
    "movement": "g m/s2 m/s^2 m/s² deg/s °/s",
}


class Verdict(msgspec.Struct, frozen=True):
    """What a signal is, and what says so.

    Attributes
    ----------
    kind : Kind
        What it is.
    why : str
        What decided: `its name`, `its unit`, or how it behaves.
    """

    kind: Kind
    why: str

    def __str__(self) -> str:
        return f"{_TITLES[self.kind]} ({self.why})"


def titled(kind: Kind | None) -> str:
    """Return a kind in words."""
    return _TITLES[kind or "unknown"]


def kind_by_name(name: str) -> Kind | None:
    """Return what a name says a signal is; None where it says nothing, or may mean several things (`V`, `t`, `ch1`)."""
    words = _words(name)
    if name.strip() == "I":
        return "ecg"
    if not words or " ".join(words) in _AMBIGUOUS:
        return None
    told = {*words, *(a + b for a, b in pairwise(words))}
    # `lo1`, `resp2`: a number behind a word changes nothing.
    told |= {word.rstrip("0123456789") for word in told}
    found = next((kind for kind, known in _WORDS.items() if told & set(known.split())), None)
    return found or ("ecg" if _LEAD.fullmatch(" ".join(words)) else None)


def kind_by_unit(unit: str) -> Kind | None:
    """Return what a unit says a signal is; None for volts, for none, and for those that say nothing."""
    text = unit.strip().lower().replace(" ", "")
    return next((kind for kind, known in _UNITS.items() if text in known.split()), None)


def kind_of(name: str, unit: str, samples: NDArray[np.floating[Any]], fs_hz: float) -> Verdict:
    """Return what a signal is.

    Parameters
    ----------
    name, unit : str
        As the source states them; empty where it does not.
    samples : float array, shape (n_samples,)
        Some seconds of it in any unit, NaN where there is no value. Up to a minute is looked at.
    fs_hz : float
        Its sampling rate.

    Returns
    -------
    Verdict
        `ecg` if name or behaviour say so; `unknown` if nothing does, also where there is too little signal.
    """
    if (kind := kind_by_name(name)) is not None:
        return Verdict(kind, _BY_NAME)
    if (kind := kind_by_unit(unit)) is not None:
        return Verdict(kind, _BY_UNIT)
    return kind_by_behaviour(samples, fs_hz)


def kind_by_behaviour(samples: NDArray[np.floating[Any]], fs_hz: float) -> Verdict:
    """Return what a signal is by its samples alone; parameters as of `kind_of`."""
    x = np.asarray(samples, np.float64)[: int(60 * fs_hz)]
    there = np.flatnonzero(np.isfinite(x))
    # A value missing here and there bends no wave; a long hole is left out.
    x = np.interp(np.arange(len(x)), there, x[there]) if len(there) > len(x) / 2 else x[there]
    if len(x) < 2:
        return Verdict("unknown", "no values")
    if not np.any(x != x[0]):
        return Verdict("constant", f"{x[0]:g}")
    return _counting(x) or _held(x, fs_hz) or _waveform(x, fs_hz)


def choose_leads(names: Sequence[str], verdicts: Sequence[Verdict]) -> tuple[list[int], tuple[str, ...]]:
    """Choose the columns to be read as leads.

    Parameters
    ----------
    names : sequence of str
        One per signal, for the notes.
    verdicts : sequence of Verdict
        One per signal.

    Returns
    -------
    columns : list of int
        Those that are ECG; where none is for certain, those that may be: not clear, then flat or slow ones. Empty if
        all are something else.
    notes : tuple of str
        One line for each signal left out.
    """
    columns = next((found for kinds in _WANTED if (found := _of(verdicts, kinds))), [])
    notes = tuple(
        f"{name} is left out: {'no ECG is seen in it' if verdict.kind == 'unknown' else verdict}"
        for i, (name, verdict) in enumerate(zip(names, verdicts, strict=True))
        if i not in columns
    )
    return columns, notes


# Without any ECG in sight a flat or slow line may be one whose electrode is off, or of a heart that stands still. But
# where a pulse is, none does.
_WANTED: tuple[tuple[Kind, ...], ...] = (("ecg",), ("unknown",), ("constant", "level", "respiration"))


def _of(verdicts: Sequence[Verdict], kinds: tuple[Kind, ...]) -> list[int]:
    by_look = [v.kind in kinds and v.why not in (_BY_NAME, _BY_UNIT) for v in verdicts]
    if "ecg" in kinds:
        by_look = [v.kind == "ecg" for v in verdicts]
    elif any(v.kind == "pulse" for v in verdicts):
        return []
    return [i for i, wanted in enumerate(by_look) if wanted]


def _words(name: str) -> list[str]:
    """Return a name in lower-case words, `heartRate` and `Resp. (chest)` as `heart rate` and `resp chest`."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name).lower().replace("_", " ")
    return re.findall(r"[^\W_][\w²°+-]*|-?av[rlf]", split)


# A clock or counter departs from a straight line by its own jitter, not by more than a few of its steps.
_MIN_RISE_STEPS = 20
_COUNT_SHARE = 0.97


def _counting(x: NDArray[np.float64]) -> Verdict | None:
    """Tell a clock or counter: it goes one way in even steps, but for jumps where it wraps or samples were lost."""
    steps = np.diff(x)
    steps = steps if np.median(np.sign(steps)) >= 0 and steps.sum() >= 0 else -steps
    if np.count_nonzero(steps < 0) > np.count_nonzero(steps > 0):
        steps = -steps
    moves = steps[steps != 0]
    if len(moves) < _MIN_RISE_STEPS or np.mean(moves > 0) < _COUNT_SHARE:
        return None
    up = steps[steps >= 0]
    quantum = float(np.median(up[up > 0]))
    # Lost samples and wraps are steps of their own; all others follow each other along a straight line.
    even = up[up <= 8 * quantum]
    if len(even) < _COUNT_SHARE * len(steps):
        return None
    path = np.cumsum(even)
    at = np.arange(len(path))
    line = np.polyval(np.polyfit(at, path, 1), at)
    if np.max(np.abs(path - line)) > max(6 * quantum, 0.01 * path[-1]) or path[-1] < _MIN_RISE_STEPS * quantum:
        return None
    wraps = np.count_nonzero(steps < 0)
    if np.mean(even == 1) > _COUNT_SHARE:
        return Verdict("counter", "counts up by one" + (", and wraps" if wraps else ""))
    return Verdict("clock", "counts up steadily" + (", and wraps" if wraps else ""))


def _held(x: NDArray[np.float64], fs_hz: float) -> Verdict | None:
    """Tell what keeps a value for long: a flag, a rate, a battery."""
    values = np.unique(x)
    if len(values) == 2 and values[0] == 0:
        return Verdict("flag", f"0 or {values[1]:g}")
    changes = np.count_nonzero(np.diff(x))
    if changes <= 5 * len(x) / fs_hz and len(x) >= 10 * changes:
        return Verdict("level", "changes seldom")
    return None


# QRS complexes stand out in this band; of respiration and pulse waves next to nothing is left in it. Of what is faster
# than the wander, ventricular flutter has a quarter there, pulse waves have a tenth at most.
_QRS_BAND_HZ = (5.0, 30.0)
_WANDER_HZ = 0.5
_SHARP, _PEAKED = 0.25, 6.0
_SMOOTH = 0.15
_PULSE_HZ = (0.7, 2.4)
_SAME = 0.5


def _waveform(x: NDArray[np.float64], fs_hz: float) -> Verdict:
    """Tell an ECG by its QRS complexes, respiration and pulse waves by having nothing as sharp."""
    seconds = len(x) / fs_hz
    if seconds < MIN_SECONDS or fs_hz < 3 * _QRS_BAND_HZ[1]:
        return Verdict("unknown", "too little of it")
    from scipy import signal as dsp  # noqa: PLC0415  (half a second to import, and names mostly say enough)

    x = dsp.detrend(x)
    band = dsp.sosfiltfilt(dsp.butter(2, _QRS_BAND_HZ, "band", fs=fs_hz, output="sos"), x)
    slow = dsp.sosfiltfilt(dsp.butter(2, _QRS_BAND_HZ[1], "low", fs=fs_hz, output="sos"), x)
    top, middle = np.percentile(np.abs(band), [99, 50])
    if top >= _SHARP * np.ptp(slow) and top >= _PEAKED * middle:
        return Verdict("ecg", "has QRS complexes")
    steady = dsp.sosfiltfilt(dsp.butter(2, _WANDER_HZ, "high", fs=fs_hz, output="sos"), slow)
    if seconds >= SURE_SECONDS:
        hz = _main_hz(slow, fs_hz)
        # What is slower than any pulse may hold noise of some size: it is to be small beside the whole.
        whole = slow if hz < _PULSE_HZ[0] else steady
        if np.std(band) <= _SMOOTH * np.std(whole):
            if hz < _PULSE_HZ[0]:
                return Verdict("respiration", "slow and smooth")
            if hz <= _PULSE_HZ[1] and _repeats(steady, fs_hz / hz):
                return Verdict("pulse", "smooth, no QRS complexes")
    return Verdict("unknown", "no QRS complexes seen")


def _main_hz(x: NDArray[np.float64], fs_hz: float) -> float:
    """Return the frequency that has most of the power."""
    power = np.abs(np.fft.rfft((x - x.mean()) * np.hanning(len(x)), 4 * len(x))) ** 2
    return float(np.argmax(power) * fs_hz / (4 * len(x)))


def _repeats(x: NDArray[np.float64], period: float) -> bool:
    """Whether a wave is much the same one period later, give or take what a heart varies."""
    lags = range(max(int(0.85 * period), 1), int(1.15 * period) + 1)
    return max(float(np.corrcoef(x[lag:], x[:-lag])[0, 1]) for lag in lags) >= _SAME
