"""What is an ECG and what is not: names, units, and how real and made-up signals behave."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.sources.signal_kind import Kind, Verdict, choose_leads, kind_by_name, kind_by_unit, kind_of

FS_HZ = 250.0
Signal = NDArray[np.float64]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "ecg",
            "MLII|I|II|III|ii|aVR|AVF|-aVR|V1|v6|V3R|MCL1|MCL|CM5|CC5|D3|ML5|mod.V1|V4-V5|ECG|ecg1|ECG2|EKG|Lead II"
            "|lead1|ECG lead II|ecg_raw|vx|MLI|ECG I",
        ),
        ("clock", "time|Time (s)|millis|timestamp|elapsed time|uptime|datetime|time_ms|unix"),
        ("counter", "seq|sample no|sample_number|counter|idx|packet|frame"),
        ("rate", "BPM|HR|heart_rate|heartRate|Heart Rate|PULSE RATE|ECG HR|RR|resp rate|IBI"),
        ("respiration", "RESP|Resp. (chest)|respiration|rsp|airflow|BioZ|Resp1"),
        ("pulse", "PPG|pleth|PLETH|IR|red|Pulse|infrared|PPG_IR"),
        ("level", "SpO2|SpO2_%|SaO2|battery|bat|Vbat|threshold|CO2"),
        ("temperature", "temp|skin temperature|Temp_C|thermistor"),
        ("pressure", "ABP|ART|CVP|BP|PAP"),
        ("flag", "lo+|LO-|leadoff|leads off|lead off|LOD|status"),
        ("movement", "ax|gyro_x|acc x|accel"),
        ("other", "EEG (C4-A1)|EOG|EMG|GSR"),
        (None, "|V|i|t|n|ch1|A0|value|adc|sensor|signal 2|x|noise1|column 3"),
    ],
)
def test_names(kind: Kind | None, names: str) -> None:
    assert {name: kind_by_name(name) for name in names.split("|")} == dict.fromkeys(names.split("|"), kind)


@pytest.mark.parametrize(
    ("unit", "kind"),
    [
        ("mV", None),
        ("", None),
        ("uV", None),
        ("NU", None),
        ("mmHg", "pressure"),
        ("degC", "temperature"),
        ("%", "level"),
    ],
)
def test_units(unit: str, kind: Kind | None) -> None:
    assert kind_by_unit(unit) == kind


def ecg(seconds: float, fs_hz: float, noise: float = 0.01) -> Signal:
    t = np.arange(int(seconds * fs_hz)) / fs_hz
    shape = ((-0.17, 0.12, 0.022), (-0.03, -0.1, 0.009), (0, 1.1, 0.010), (0.03, -0.22, 0.010), (0.26, 0.28, 0.045))
    beats = np.arange(0.4, seconds, 60 / 72)
    y = sum(h * np.exp(-0.5 * ((t - r - d) / w) ** 2) for r in beats for d, h, w in shape)
    return np.asarray(y) + noise * np.random.default_rng(0).standard_normal(len(t))


def pulse(seconds: float, fs_hz: float, bpm: float = 72, rise_s: float = 0.07) -> Signal:
    t = np.arange(int(seconds * fs_hz)) / fs_hz
    k = (60 / bpm) ** 0.5
    y = np.zeros(len(t))
    for r in np.arange(-1.0, seconds + 1, 60 / bpm):
        y += np.where(t < r, np.exp(-0.5 * ((t - r) / rise_s) ** 2), np.exp(-0.5 * ((t - r) / (0.13 * k)) ** 2))
        y += 0.35 * np.exp(-0.5 * ((t - r - 0.28 * k) / (0.08 * k)) ** 2)
    return y + 0.3 * np.sin(2 * np.pi * 0.25 * t)


def look(samples: Signal, fs_hz: float = FS_HZ) -> str:
    return kind_of("", "", samples, fs_hz).kind


@pytest.mark.parametrize("fs_hz", [100.0, 125.0, 250.0, 500.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-4, 1.0, -1.0, 225.0, 1e4])
@pytest.mark.parametrize("seconds", [2.0, 6.0, 30.0])
def test_an_ecg_is_seen_at_any_rate_and_scale(fs_hz: float, scale: float, seconds: float) -> None:
    assert look(512 + ecg(seconds, fs_hz) * scale, fs_hz) == "ecg"


@pytest.mark.parametrize("n", [400, 500, 5000])
@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("counter", lambda i: i),
        ("counter", lambda i: 70_000 - i),
        ("counter", lambda i: i % 256),
        ("counter", lambda i: (65_400 + i) % 65_536),
        ("counter", lambda i: i + 40 * (i > 300)),
        ("clock", lambda i: 184_213 + 4 * i),
        ("clock", lambda i: 184_213 + (i * 1000) // 245),
        ("clock", lambda i: (184_213 + 4 * i) % 65_536),
        ("clock", lambda i: 4003.0 * i + (i * 7919 % 300)),
        ("clock", lambda i: (4_294_000_000 + 4000 * i) % 2**32),
        ("clock", lambda i: i / 250),
        ("clock", lambda i: np.floor(i / 2.5) / 100),
        ("clock", lambda i: 1.7e9 + i / 250),
        ("clock", lambda i: 1.7e12 + 4 * i),
    ],
)
def test_clocks_and_counters_count_up(kind: str, made: object, n: int) -> None:
    assert look(np.asarray(made(np.arange(n)), np.float64)) == kind  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("constant", lambda t: 0 * t + 1023),
        ("flag", lambda t: (t % 3 < 0.1) * 1.0),
        ("level", lambda t: 72 + np.floor(t / 1.1) % 3),
        ("level", lambda t: 36.6 + 0.01 * (np.floor(t) % 4)),
        ("respiration", lambda t: np.round(512 + 80 * np.sin(2 * np.pi * 0.25 * t))),
        ("respiration", lambda t: 0.5 * np.sin(2 * np.pi * 0.5 * t)),
    ],
)
def test_other_things_are_told_by_how_they_behave(kind: str, made: object) -> None:
    assert look(np.asarray(made(np.arange(10 * FS_HZ) / FS_HZ), np.float64)) == kind  # type: ignore[operator]


@pytest.mark.parametrize("fs_hz", [100.0, 250.0])
@pytest.mark.parametrize("bpm", [50, 72, 100, 130])
@pytest.mark.parametrize("rise_s", [0.05, 0.07, 0.09])
def test_pulse_waves_have_no_qrs(fs_hz: float, bpm: float, rise_s: float) -> None:
    noise = np.random.default_rng(1).standard_normal(int(8 * fs_hz))
    assert look(np.round(98_000 - 1500 * pulse(8, fs_hz, bpm, rise_s) + 10 * noise), fs_hz) == "pulse"


@pytest.mark.parametrize("hz", [2.6, 3.5, 5.0])
def test_flutter_and_fibrillation_are_no_pulse(hz: float) -> None:
    t = np.arange(10 * FS_HZ) / FS_HZ
    assert look(np.sin(2 * np.pi * hz * t + np.sin(t))) == "unknown"


@pytest.mark.parametrize("every", [3, 10])
def test_missing_values_hide_no_ecg(every: int) -> None:
    signal = ecg(10, FS_HZ)
    signal[::every] = np.nan
    assert look(signal) == "ecg"


def test_noise_and_nothing_say_nothing() -> None:
    noise = np.random.default_rng(0).standard_normal(2500)
    assert look(noise) == "unknown"
    assert look(np.full(2500, np.nan)) == "unknown"
    assert look(np.array([1.0])) == "unknown"
    assert look(ecg(1.0, FS_HZ)) == "unknown"


def test_a_name_is_believed_before_the_look_and_the_look_where_there_is_no_name() -> None:
    assert kind_of("RESP", "mV", ecg(10, FS_HZ), FS_HZ) == Verdict("respiration", "its name")
    assert kind_of("MLII", "mV", pulse(10, FS_HZ), FS_HZ).kind == "ecg"
    assert kind_of("ch2", "degC", ecg(10, FS_HZ), FS_HZ).kind == "temperature"
    assert kind_of("i", "", np.arange(1000.0), FS_HZ).kind == "counter"
    assert kind_of("V", "mV", ecg(10, FS_HZ), FS_HZ).kind == "ecg"


LOOK = "how it looks"


@pytest.mark.parametrize(
    ("kinds", "columns"),
    [
        (["ecg", "ecg"], [0, 1]),
        (["clock", "ecg"], [1]),
        (["respiration", "ecg", "unknown"], [1]),
        (["unknown", "clock", "unknown"], [0, 2]),
        # Nothing to be seen yet: a line at rest must be watched until it shows what it is.
        (["constant"], [0]),
        (["clock", "constant"], [1]),
        (["respiration"], [0]),
        (["pulse", "pulse"], []),
        (["pulse", "respiration"], []),
        (["clock", "counter"], []),
    ],
)
def test_what_is_read(kinds: list[Kind], columns: list[int]) -> None:
    names = [f"column {i + 1}" for i in range(len(kinds))]
    chosen, notes = choose_leads(names, [Verdict(kind, LOOK) for kind in kinds])
    assert chosen == columns
    assert len(notes) == len(kinds) - len(columns)


def test_what_is_left_out_is_said() -> None:
    _, notes = choose_leads(
        ["RESP", "II", "x"], [Verdict("respiration", "its name"), Verdict("ecg", LOOK), Verdict("unknown", "")]
    )
    assert notes == (
        "RESP is left out: respiration, or as slow and smooth (its name)",
        "x is left out: no ECG is seen in it",
    )


def test_what_is_something_else_by_name_is_never_read_unasked() -> None:
    assert choose_leads(["RESP"], [Verdict("respiration", "its name")])[0] == []
