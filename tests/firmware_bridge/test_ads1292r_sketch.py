"""The ADS1292R sketch, compiled with g++ and run against a converter in software."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge import frames as f
from firmware_bridge.codec import Decoder, encode

HERE = Path(__file__).parent
C = HERE.parents[1] / "firmware_bridge" / "c"
SKETCH = C / "examples" / "ads1292r_esp32" / "ads1292r_esp32.ino"
NO_VALUE = f.NO_VALUE[3]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gcc, gxx = (shutil.which(name) or pytest.skip("needs a C++ compiler (Debian: g++)") for name in ("gcc", "g++"))
    folder = tmp_path_factory.mktemp("ads1292r")
    flags = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    include = [f"-I{C / 'src'}", f"-I{HERE / 'c' / 'arduino'}"]
    bridge = folder / "bridge.o"
    subprocess.run([gcc, *flags, *include, "-c", C / "src" / "ecg_bridge.c", "-o", bridge], check=True, timeout=60)
    sources = ["-x", "c++", HERE / "c" / "ads1292r.cpp", SKETCH, "-x", "none", bridge]
    subprocess.run([gxx, *flags, *include, *sources, "-o", folder / "board"], check=True, timeout=60)
    return folder / "board"


def run(board: Path, n: int, *, missed: int = 0, commands: bytes = b"") -> tuple[list[f.Frame], str]:
    done = subprocess.run([board, str(n), str(missed)], input=commands, capture_output=True, check=True, timeout=30)
    decoder = Decoder()
    got = decoder.push(done.stdout)
    assert decoder.stats.bad == decoder.stats.unknown == 0
    return got, done.stderr.decode().strip()


def blocks(got: list[f.Frame]) -> list[f.SampleBlock]:
    return [frame for frame in got if isinstance(frame, f.SampleBlock)]


def test_hello_says_what_the_converter_was_set_to(board: Path) -> None:
    got, registers = run(board, 600)
    hello = got[0]
    assert isinstance(hello, f.Hello)
    assert (hello.fs_hz, hello.adc_bits, hello.width, hello.leads) == (250, 24, 3, ("I", "II"))
    assert hello.uv_per_lsb[0] == pytest.approx(2.42e6 / 6 / 2**23)
    assert sum(isinstance(frame, f.Hello) for frame in got) == pytest.approx(4, abs=1)
    assert registers == "01 e0 0f"


def test_every_sample_is_sent_with_its_number_and_time(board: Path) -> None:
    got, _ = run(board, 600)
    sent = blocks(got)
    counts = np.concatenate([block.counts() for block in sent])
    numbers = np.arange(600)
    ordinary = (numbers < 100) | (numbers > 120)
    assert np.array_equal(counts[ordinary, 0], numbers[ordinary])
    assert np.array_equal(counts[ordinary, 1], -numbers[ordinary])
    assert [block.counter for block in sent] == [10 * i for i in range(60)]
    assert set(np.diff([block.board_us for block in sent])) == {40_000}


def test_lead_off_and_saturation(board: Path) -> None:
    got, _ = run(board, 600)
    counts = np.concatenate([block.counts() for block in blocks(got)])
    assert (counts[100:110, 1] == NO_VALUE).all()
    assert np.array_equal(counts[100:110, 0], np.arange(100, 110))
    assert (counts[110] == NO_VALUE).all()
    assert counts[120].tolist() == [-NO_VALUE - 1, NO_VALUE + 1]
    states = [frame for frame in got if isinstance(frame, f.Status)]
    assert [state.leads_off(2) for state in states if state.lead_off] == [(False, True), (True, True)]
    assert [state.saturated for state in states if state.saturated] == [3]


def test_samples_the_board_was_too_late_for_are_missing_from_the_counter(board: Path) -> None:
    got, _ = run(board, 600, missed=7)
    sent = blocks(got)
    numbers = np.concatenate([block.counter + np.arange(block.n_samples) for block in sent])
    assert np.array_equal(np.setdiff1d(np.arange(numbers[-1] + 1), numbers), np.arange(201, 208))
    by_number = dict(zip(numbers, np.concatenate([block.counts() for block in sent])[:, 0], strict=True))
    assert (by_number[200], by_number[208]) == (200, 208)
    assert [frame.dropped for frame in got if isinstance(frame, f.Status)][-1] == 7


def test_commands_are_obeyed(board: Path) -> None:
    rates = [f.SetRate(rate_mhz=333_000), f.SetRate(rate_mhz=1_000_000)]
    commands = b"".join(map(encode, [f.Ping(token=42), f.Stop(), f.Start(), *rates, f.Identify()]))
    got, registers = run(board, 3000, commands=commands)
    (pong,) = (frame for frame in got if isinstance(frame, f.Pong))
    assert pong.token == 42
    acks = [(frame.command, frame.result, frame.value) for frame in got if isinstance(frame, f.Ack)]
    assert acks == [
        (f.Stop.TYPE, f.ACK_OK, 0),
        (f.Start.TYPE, f.ACK_OK, 0),
        (f.SetRate.TYPE, f.ACK_REFUSED, 250_000),
        (f.SetRate.TYPE, f.ACK_OK, 1_000_000),
        (f.Identify.TYPE, f.ACK_OK, 0),
    ]
    assert registers.startswith("03")
    last = blocks(got)[-1]
    assert (last.n_samples, last.stream) == (32, (blocks(got)[0].stream + 2) % 256)
