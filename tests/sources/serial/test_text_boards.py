"""Boards that send lines, as people write them: whatever stands beside the ECG, the ECG alone is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap, Message, Samples, Stream
from edge.sources.serial.assembly import Assembler
from edge.sources.serial.recognition import Recogniser
from edge.sources.serial.settings import BoardSettings

FS_HZ = 250.0
Values = NDArray[np.float64]


def ecg(seconds: float = 20, fs_hz: float = FS_HZ) -> Values:
    t = np.arange(int(seconds * fs_hz)) / fs_hz
    shape = ((-0.17, 0.12, 0.022), (-0.03, -0.1, 0.009), (0, 1.1, 0.010), (0.03, -0.22, 0.010), (0.26, 0.28, 0.045))
    y = sum(h * np.exp(-0.5 * ((t - r - d) / w) ** 2) for r in np.arange(0.4, seconds, 60 / 72) for d, h, w in shape)
    return np.asarray(y) + 0.01 * np.random.default_rng(0).standard_normal(len(t))


class Watch:
    """What comes of lines that arrive at a steady rate, ten at a time."""

    def __init__(self, lines: Iterable[bytes], fs_hz: float = FS_HZ, **options: object) -> None:
        settings = BoardSettings(**options)  # type: ignore[arg-type]
        recogniser, self.assembler, self.board = Recogniser(None, settings), Assembler("port", 0.0), None
        self.out: list[Message] = []
        self.longest_silence_s = 0.0
        # The first line may be the end of one, and is not taken in.
        lines = [b"", *lines]
        for at in range(0, len(lines), 10):
            now_s = 1000 + (at + 10) / fs_hz
            data = b"".join(line + b"\r\n" for line in lines[at : at + 10])
            if self.board is None:
                found = recogniser.push(data, now_s)
                items = [] if found is None else found.items
                self.board = found and found.format
            else:
                items = self.board.push(data, now_s)
            for item in items:
                self.out += self.assembler.push(item, now_s)
            self.longest_silence_s = max(self.longest_silence_s, self.assembler.silent_s(now_s))

    @property
    def streams(self) -> list[Stream]:
        return [message for message in self.out if isinstance(message, Stream)]

    @property
    def mv(self) -> NDArray[np.float32]:
        """Return the samples of the last stream."""
        last = max(i for i, message in enumerate(self.out) if isinstance(message, Stream))
        return np.concatenate([message.mv for message in self.out[last:] if isinstance(message, Samples)])

    @property
    def notes(self) -> str:
        return "; ".join(self.streams[-1].notes)


def adc(y: Values, bits: int = 10) -> NDArray[np.int64]:
    full = 1 << bits
    return np.clip(np.round(full / 2 + y * full * 0.22), 0, full - 1).astype(np.int64)


def like(mv: NDArray[np.float32], y: Values) -> bool:
    """Whether a signal is the ECG that was sent, whatever its scale."""
    n = min(len(mv), len(y))
    there = np.isfinite(mv[:n])
    return bool(np.corrcoef(mv[:n][there], y[:n][there])[0, 1] > 0.98)


def stamp(i: int) -> str:
    ms = 10 * 3600_000 + 24 * 60_000 + 58_000 + 4 * i
    return f"{ms // 3600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


CLOCKS: dict[str, Callable[[int], object]] = {
    "millis": lambda i: 184_213 + 4 * i,
    "millis since boot": lambda i: 4 * i,
    "micros": lambda i: 4_003_000 + 4000 * i + i * 7919 % 60,
    "micros that wrap": lambda i: (2**32 - 9_000_000 + 4000 * i) % 2**32,
    "millis of 16 bits": lambda i: (64_000 + 4 * i) % 65_536,
    "seconds": lambda i: f"{12.5 + i / 250:.3f}",
    "hundredths": lambda i: f"{i / 250:.2f}",
    "time of day": stamp,
    "date and time": lambda i: f"2026-11-28 {stamp(i)}",
    "ISO": lambda i: f"2026-11-28T{stamp(i)}Z",
    "Unix": lambda i: f"{1.7e9 + i / 250:.3f}",
    "Unix ms": lambda i: 1_700_000_000_000 + 4 * i,
    "counter": lambda i: i,
    "counter of 8 bits": lambda i: i % 256,
    "counter of 16 bits": lambda i: (65_000 + i) % 65_536,
    "counter down": lambda i: 100_000 - i,
}


@pytest.mark.parametrize("what", list(CLOCKS))
@pytest.mark.parametrize(
    ("separator", "first"), [(",", True), (" | ", True), ("\t", False), (", ", False), (";", True)]
)
def test_a_clock_or_counter_is_no_lead(what: str, separator: str, first: bool) -> None:
    y = ecg(8)
    pairs = [(str(CLOCKS[what](i)), str(value)) for i, value in enumerate(adc(y))]
    watch = Watch(separator.join(pair if first else pair[::-1]).encode() for pair in pairs)
    assert [stream.leads for stream in watch.streams] == [("lead1",)]
    assert like(watch.mv[:, 0], y)
    assert "is left out" in watch.notes


T = np.arange(int(20 * FS_HZ)) / FS_HZ
BESIDE: dict[str, Values] = {
    "respiration": np.round(512 + 90 * np.sin(2 * np.pi * 0.25 * T)),
    "heart rate": 72 + np.floor(T) % 3,
    "temperature": 36.5 + np.floor(T / 2) % 2 / 10,
    "SpO2": 97 + np.floor(T / 3) % 2,
    "battery": 87 - np.floor(T / 9),
    "lead-off flag": 0 * T,
    "beat flag": (T % (60 / 72) < 0.05) * 1.0,
    "infrared": np.round(98_000 - 900 * np.sin(2 * np.pi * 1.2 * T) - 250 * np.sin(4 * np.pi * 1.2 * T + 1)),
    "limits of a plotter": 0 * T + 1023,
}


@pytest.mark.parametrize("what", list(BESIDE))
@pytest.mark.parametrize("named", [False, True])
def test_what_stands_beside_an_ecg_is_left_out(what: str, named: bool) -> None:
    y = ecg(20)
    lines = [
        (f"{what}:{beside:g},ecg:{value}" if named else f"{beside:g},{value}").encode()
        for beside, value in zip(BESIDE[what], adc(y), strict=True)
    ]
    watch = Watch(lines)
    assert [stream.leads for stream in watch.streams] == [("ecg",) if named else ("lead1",)]
    assert like(watch.mv[:, 0], y)


FORMS: dict[str, tuple[Callable[[int, int], str], str]] = {
    "a name of two words": (lambda i, v: f"Sensor Value: {v}", "Sensor Value"),
    "an equals sign": (lambda i, v: f"ECG value = {v} mV", "ECG value"),
    "blanks between pairs": (lambda i, v: f"Heart Rate: 72 ECG Value: {v}", "ECG Value"),
    "JSON": (lambda i, v: f'{{"t": {4 * i}, "ecg": {v}, "leads_off": false}}', "ecg"),
    "quotes": (lambda i, v: f'"{4 * i}","{v}"', "lead1"),
    "a line number": (lambda i, v: f"{i}: {v}", "lead1"),
    "an arrow": (lambda i, v: f"{stamp(i)} -> {v}", "lead1"),
    "hexadecimal, marked": (lambda i, v: f"0x{v:03X}", "lead1"),
    "a decimal comma": (lambda i, v: f"{4 * i};{v / 512 - 1:.3f}".replace(".", ","), "lead1"),
    "a small number beside it, printed as short as it goes": (
        lambda i, v: f"{(-0.2, -0.0, 0.1)[i // 125 % 3]:g},{v}",
        "lead1",
    ),
    "decimal commas only": (lambda i, v: f"{i / 250:.3f}\t{v / 512 - 1:.3f}".replace(".", ","), "lead1"),
}


@pytest.mark.parametrize("how", list(FORMS))
def test_lines_as_people_write_them(how: str) -> None:
    y = ecg(12)
    line, lead = FORMS[how]
    watch = Watch(line(i, v).encode() for i, v in enumerate(adc(y).tolist()))
    assert [stream.leads for stream in watch.streams] == [(lead,)]
    assert like(watch.mv[:, 0], y)
    assert 0.5 < np.ptp(watch.mv) < 5


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (lambda v: f"{v:03X}", "hexadecimal numbers"),
        (lambda v: f"{v / 512 - 1:.3f}".replace(".", ","), "numbers with a decimal comma"),
    ],
)
def test_numbers_that_are_others_than_they_seem_are_not_watched(line: Callable[[int], str], what: str) -> None:
    with pytest.raises(SourceError, match=f"sends {what}: print them in decimal, with a point"):
        Watch(line(v).encode() for v in adc(ecg(12)).tolist())


@pytest.mark.parametrize(("true_hz", "fs_hz"), [(99.3, 100), (98.8, 100), (1004, 1000), (1012, 1000), (101.2, 101.2)])
def test_the_lowest_and_the_highest_rate_are_not_refused_for_a_little(true_hz: float, fs_hz: float) -> None:
    watch = Watch((b"%d" % v for v in adc(ecg(25, true_hz))), fs_hz=true_hz)
    assert [stream.fs_hz for stream in watch.streams] == [pytest.approx(fs_hz, abs=0.1)]
    assert not any(isinstance(message, Gap) for message in watch.out)


@pytest.mark.parametrize("true_hz", [98.0, 1020.0])
def test_rates_that_cannot_be_served_are_refused(true_hz: float) -> None:
    with pytest.raises(SourceError, match=f"{true_hz:g} samples a second: 100 to 1000 can be used"):
        Watch((b"%d" % v for v in adc(ecg(20, true_hz))), fs_hz=true_hz)


def test_two_leads_stay_two_leads() -> None:
    y = ecg(20)
    weak = 512 + np.round(-40 * y + 2 * np.random.default_rng(3).standard_normal(len(y)))
    watch = Watch(b"%d,%d" % (a, b) for a, b in zip(adc(y), weak, strict=True))
    assert [stream.leads for stream in watch.streams] == [("lead1", "lead2")]
    assert like(watch.mv[:, 0], y)


def test_names_on_lines_of_their_own() -> None:
    y = ecg(20)
    lines: list[bytes] = []
    for i, value in enumerate(adc(y)):
        lines += [b"ecg:%d" % value, b"resp:%d" % (512 + i % 90)]
        lines += [b"BPM:72", b"Temp:36.6"] if i % 250 == 0 else []
    watch = Watch(lines, fs_hz=2 * FS_HZ * 1.004)
    assert watch.streams[-1].leads == ("ecg",)
    assert watch.streams[-1].fs_hz == pytest.approx(FS_HZ, rel=0.01)
    assert like(watch.mv[:, 0], y)


def test_rates_now_and_then_among_bare_numbers() -> None:
    y = ecg(20)
    lines = [line for i, v in enumerate(adc(y)) for line in ([b"%d" % v, b"BPM:72"] if i % 200 == 0 else [b"%d" % v])]
    watch = Watch(lines)
    assert len(watch.streams) == 1
    assert like(watch.mv[:, 0], y)


def test_a_header_names_the_columns() -> None:
    y = ecg(10)
    lines = [b"booting", b"Time (ms),Resp,ECG (mV)"]
    lines += [b"%d,%.3f,%.3f" % (4 * i, 0.3 * np.sin(i / 40), value) for i, value in enumerate(y)]
    watch = Watch(lines)
    assert watch.streams[-1].leads == ("ECG (mV)",)
    assert np.allclose(watch.mv[100:600, 0], y[100:600], atol=0.002)


@pytest.mark.parametrize("hole", [b"", b"nan", b"null", b"--", b"!"])
def test_a_missing_value_costs_that_lead_alone(hole: bytes) -> None:
    y = ecg(12)
    lines = [b"%s,%d,%d" % (hole if i % 10 == 3 else b"%d" % v, v, v) for i, v in enumerate(adc(y))]
    lines[1500:] = [b"%d,%d," % (v, v) for v in adc(y)[1500:]]
    watch = Watch(lines)
    assert watch.assembler.stream is not None
    assert len(watch.mv) == len(y)
    assert np.isnan(watch.mv[:1500, 0]).mean() == pytest.approx(0.1, abs=0.002)
    assert np.isfinite(watch.mv[:, 1]).all()
    assert np.isnan(watch.mv[1500:, 2]).all()


@pytest.mark.parametrize("true_hz", [245.0, 250.0, 255.0, 187.0, 128.0, 333.0, 499.0])
def test_rates_are_measured(true_hz: float) -> None:
    y = ecg(120, true_hz)
    watch = Watch((b"%d" % v for v in adc(y)), fs_hz=true_hz)
    assert [stream.fs_hz for stream in watch.streams] == [pytest.approx(true_hz, rel=0.003)]
    assert not any(isinstance(message, Gap) for message in watch.out)


def test_a_rate_that_is_said_wrongly_is_said_and_mended() -> None:
    watch = Watch((b"%d" % v for v in adc(ecg(60))), rate_hz=360.0)
    assert [stream.fs_hz for stream in watch.streams] == [360, 250]
    assert "samples come at 250 a second, not at 360" in watch.notes


def test_a_column_that_becomes_an_ecg_is_taken_in() -> None:
    y = ecg(60)
    late = np.where(np.arange(len(y)) > 20 * FS_HZ, adc(-y), 1023)
    watch = Watch(b"%d,%d" % pair for pair in zip(adc(y), late, strict=True))
    assert [stream.leads for stream in watch.streams] == [("lead1",), ("lead1", "lead2")]


def test_a_unit_is_looked_at_again() -> None:
    y = ecg(40)
    counts = adc(y, 12)
    # At the start the electrode is off and the line at rest at 0.
    counts[: int(6 * FS_HZ)] = 3
    watch = Watch(b"%d" % v for v in counts)
    assert watch.streams[-1].range_mv == ((pytest.approx(-1.5, abs=0.01), pytest.approx(1.5, abs=0.01)),)
    assert np.nanmax(watch.mv) < 1.5


@pytest.mark.parametrize("scale", [1e-3, 1e5, 3e6])
def test_numbers_of_no_known_unit_get_a_height_that_beats_have(scale: float) -> None:
    watch = Watch(b"%.6g" % v for v in ecg(20) * scale)
    assert 0.5 < np.ptp(watch.mv) < 5
    assert "no known unit" in watch.notes


def test_a_damaged_line_changes_nothing() -> None:
    y = ecg(40)
    lines = [b"%d" % v for v in adc(y)]
    for i in range(100, len(lines), 400):
        lines[i] += lines[i]
    watch = Watch(lines)
    assert len(watch.streams) == 1
    assert like(watch.mv[:, 0], y)


@pytest.mark.parametrize("seconds", [3, 20, 45])
def test_however_long_it_boots_it_is_recognised_once_it_speaks(seconds: int) -> None:
    y = ecg(20)
    chatter = [b"E (%d) wifi: still joining, try %d of many" % (i, i // 9) for i in range(int(seconds * 50))]
    padded = [line for word in chatter for line in (word, b"", b"", b"", b"")]
    watch = Watch([*padded, b"ready", *(b"%d" % v for v in adc(y))])
    assert [stream.fs_hz for stream in watch.streams] == [250]
    assert like(watch.mv[:, 0], y)


ROWS: dict[str, Callable[[int, int], bytes]] = {
    "alone": lambda i, v: b"%d" % v,
    "beside a clock": lambda i, v: b"%d,%d" % (4 * i, v),
    "named": lambda i, v: b"ecg:%d,bpm:72" % v,
    "two leads": lambda i, v: b"%d;%d" % (v, 1023 - v),
}


@pytest.mark.parametrize("how", list(ROWS))
def test_electrodes_off_from_the_start_then_an_ecg(how: str) -> None:
    y = ecg(30)
    watch = Watch([b"!"] * 3000 + [ROWS[how](i, v) for i, v in enumerate(adc(y).tolist())])
    first, second = watch.streams
    assert first.lead_off_detection
    assert second.lead_off_detection
    assert "electrode is off from the start" in first.notes[0]
    assert like(watch.mv[:, 0], y)
    assert watch.longest_silence_s < 0.5


def test_a_flag_that_says_lead_off_is_believed() -> None:
    y = ecg(20)
    lines = [b"ecg:%d,LO+:%d,LO-:0" % (v, 2000 <= i < 3000) for i, v in enumerate(adc(y))]
    watch = Watch(lines)
    assert watch.streams[0].lead_off_detection
    assert np.isnan(watch.mv[2000:3000, 0]).all()
    assert np.isfinite(watch.mv[3000:, 0]).all()


def test_the_user_chooses() -> None:
    y = ecg(10)
    lines = [b"%d,%d,%d" % (4 * i, v, 512) for i, v in enumerate(adc(y))]
    assert Watch(lines, columns=(3, 2)).streams[0].leads == ("lead1", "lead2")
    assert Watch(lines, columns=(2,), leads=("II",)).streams[0].leads == ("II",)
    assert Watch(lines, leads=("a", "b", "c")).streams[0].leads == ("a", "b", "c")
    named = [b"t:%d,red:%d,ir:%d" % (4 * i, v, v) for i, v in enumerate(adc(y))]
    assert Watch(named, leads=("ir",)).streams[0].leads == ("ir",)
    assert Watch(named, columns=("RED",)).streams[0].leads == ("red",)
    with pytest.raises(SourceError, match=r"no columns 4 in what it sends: it has column 1, column 2, column 3"):
        Watch(lines, columns=(4,))


@pytest.mark.parametrize(
    "line",
    [
        lambda i: b"BPM:%d" % (72 + i // 250 % 3),
        lambda i: b"%d" % (4 * i),
        lambda i: b"red:%d,ir:%d" % (81_000 - i % 40, 98_000 - i % 90),
        lambda i: b"%d" % np.round(98_000 - 900 * np.sin(i / 250 * 7.5) - 250 * np.sin(i / 250 * 15 + 1)),
    ],
)
def test_without_any_ecg_nothing_is_watched_and_it_is_said(line: Callable[[int], bytes]) -> None:
    with pytest.raises(SourceError, match=r"no ECG among what it sends \(.*name it with --columns"):
        Watch(line(i) for i in range(4000))
