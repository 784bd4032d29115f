"""The AD8232 sketch: compiled with avr-gcc, run in simavr with a record at its converter, read from its UART."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from command import COMMAND, environment
from numpy.typing import NDArray

from edge.messages import Gap, RPeak, Samples, SourceState, Stream
from edge.sources import SourceMessage
from edge.sources.serial import ports
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from firmware_bridge import frames
from firmware_bridge.codec import Decoder, encode

HERE = Path(__file__).parent
C = HERE.parents[1] / "firmware_bridge" / "c"
SKETCH = C / "examples" / "ad8232_nano" / "ad8232_nano.ino"
AVR = ("-mmcu=atmega328p", "-DF_CPU=16000000UL", "-Os", "-Wall", "-Wextra", "-Werror", f"-I{C / 'src'}")

FS_HZ = 250
UV_PER_LSB = 5e6 / 1024 / 1100
OFF = 65535


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, timeout=60)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sketch as the Arduino IDE would: setup() once, then loop() for ever."""
    if shutil.which("avr-g++") is None:
        pytest.skip("needs avr-gcc (Debian: gcc-avr avr-libc)")
    folder = tmp_path_factory.mktemp("avr")
    main = folder / "main.cpp"
    main.write_text("void setup(void);\nvoid loop(void);\nint main() { setup(); for (;;) loop(); }\n")
    run("avr-gcc", *AVR, "-std=c99", "-c", C / "src" / "ecg_bridge.c", "-o", folder / "bridge.o")
    run("avr-g++", *AVR, "-x", "c++", "-c", SKETCH, "-o", folder / "sketch.o")
    run("avr-g++", *AVR, main, folder / "sketch.o", folder / "bridge.o", "-o", folder / "nano.elf")
    return folder / "nano.elf"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program that runs a sketch in simavr."""
    gcc = shutil.which("gcc") or pytest.skip("needs a C compiler (Debian: gcc)")
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        pytest.skip("needs simavr (Debian: libsimavr-dev)")
    program = tmp_path_factory.mktemp("simavr") / "simulate"
    run(gcc, "-O2", "-Wall", "-Wextra", "-Werror", HERE / "c" / "simulate.c", "-o", program, "-lsimavr")
    return program


@pytest.fixture
def record(toy_ecg: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Forty seconds of ECG as a 10-bit converter behind an AD8232 sees it, with three seconds of lead-off."""
    at = np.arange(40 * FS_HZ) * 360 / FS_HZ
    mv = np.interp(at, np.arange(40 * 360), toy_ecg[: 40 * 360, 0])
    counts = np.clip(np.rint(512 + mv * 1000 / UV_PER_LSB), 0, 1023).astype("<u2")
    counts[20 * FS_HZ : 23 * FS_HZ] = OFF
    return counts


@contextmanager
def simulated(
    simulator: Path, firmware: Path, record: NDArray[np.uint16], folder: Path, *, speed: float, seconds: float
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the firmware; yield its pty."""
    samples = folder / "samples.bin"
    record.tofile(samples)
    command = [str(part) for part in (simulator, firmware, samples, speed, seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def listen(port: str, process: subprocess.Popen[str]) -> list[SourceMessage]:
    stop = threading.Event()
    threading.Thread(target=lambda: (process.wait(), stop.wait(0.3), stop.set()), daemon=True).start()
    return list(SerialSensor(Sensor(port=port, wait=True)).messages(stop))


def test_real_firmware_loses_nothing_and_its_beats_are_found(
    simulator: Path, firmware: Path, record: NDArray[np.uint16], tmp_path: Path
) -> None:
    from edge.pipeline import Chain, front_end

    with simulated(simulator, firmware, record, tmp_path, speed=10, seconds=40) as (port, process):
        messages = listen(port, process)
    stream = messages[0]
    assert isinstance(stream, Stream)
    assert (stream.name, stream.fs_hz, stream.leads) == ("nano-1", FS_HZ, ("II",))
    assert not any(isinstance(message, Gap) for message in messages)
    assert "electrode off: II" in [m.reason for m in messages if isinstance(m, SourceState)]

    blocks = [message for message in messages if isinstance(message, Samples)]
    counts = np.rint(np.concatenate([block.mv for block in blocks])[:, 0] * 1000 / UV_PER_LSB) + 512
    # The first blocks may have gone by before the reader was there.
    began = next(i for i in range(0, 1000, 10) if np.array_equal(counts[:500], record[i : i + 500]))
    expected = record[began : began + len(counts)].astype(float)
    expected[expected == OFF] = np.nan
    assert len(counts) > 38 * FS_HZ
    assert np.array_equal(counts, expected, equal_nan=True)

    def peaks(mv: NDArray[np.float32]) -> list[int]:
        chain = Chain(front_end(stream)[:3])
        out = [*chain.push(Samples(start=0, mv=mv)), *chain.flush()]
        return [event.sample for event in out if isinstance(event, RPeak)]

    live = Chain(front_end(stream)[:3])
    found = [event for block in blocks for event in live.push(block)] + live.flush()
    live_peaks = [event.sample for event in found if isinstance(event, RPeak)]
    assert len(live_peaks) > 45
    direct = (expected[:, None] - 512) * np.float32(np.float32(UV_PER_LSB) * 1e-3)
    assert live_peaks == peaks(direct.astype(np.float32))


def test_commands_are_obeyed(simulator: Path, firmware: Path, record: NDArray[np.uint16], tmp_path: Path) -> None:
    with simulated(simulator, firmware, record, tmp_path, speed=1, seconds=20) as (path, _):
        port, decoder = ports.open_port(path, 115200), Decoder()

        def ask(command: frames.Frame, wanted: type[frames.Frame], n_reads: int = 100) -> frames.Frame:
            port.write(encode(command))
            for _ in range(n_reads):
                for frame in decoder.push(port.read_some()):
                    # The board answers when its line is free: an acknowledgement may be that of a command before.
                    late = isinstance(frame, frames.Ack) and frame.command != command.TYPE
                    if isinstance(frame, wanted) and not late:
                        return frame
            raise AssertionError(f"no {wanted.__name__} came")

        first = ask(frames.Identify(), frames.Hello)
        assert isinstance(first, frames.Hello)
        assert (first.rate_mhz, first.adc_bits, first.firmware) == (250_000, 10, "ad8232_nano 1.0")
        pongs = [ask(frames.Ping(token=0xFFFF0000 + i), frames.Pong) for i in range(3)]
        assert [pong.token for pong in pongs if isinstance(pong, frames.Pong)] == [0xFFFF0000 + i for i in range(3)]

        assert ask(frames.SetRate(rate_mhz=360_000), frames.Ack) == frames.Ack(
            command=frames.SetRate.TYPE, result=frames.ACK_REFUSED, value=250_000
        )
        assert ask(frames.SetRate(rate_mhz=500_000), frames.Ack) == frames.Ack(
            command=frames.SetRate.TYPE, result=frames.ACK_OK, value=500_000
        )
        second = ask(frames.Identify(), frames.Hello)
        assert isinstance(second, frames.Hello)
        assert (second.rate_mhz, second.stream) == (500_000, (first.stream + 1) % 256)
        block = ask(frames.Start(), frames.SampleBlock)
        assert isinstance(block, frames.SampleBlock)
        assert block.stream == second.stream

        assert ask(frames.Stop(), frames.Ack) == frames.Ack(command=frames.Stop.TYPE, result=frames.ACK_OK)
        decoder.push(port.read_some())
        with pytest.raises(AssertionError, match="no SampleBlock came"):
            ask(frames.Identify(), frames.SampleBlock, n_reads=6)
        port.close()


def test_run_watches_real_firmware(simulator: Path, firmware: Path, record: NDArray[np.uint16], tmp_path: Path) -> None:
    user, pipe = environment(), subprocess.PIPE
    with simulated(simulator, firmware, record, tmp_path, speed=8, seconds=40) as (port, simulation):
        command = [*COMMAND, "run", "--port", port, "--json", "--annotations", str(tmp_path)]
        with subprocess.Popen(command, env=user, stdout=pipe, stderr=pipe, text=True) as watch:
            simulation.wait()
            # The port is gone with the simulator: that, too, is waited for.
            time.sleep(0.5)
            watch.send_signal(signal.SIGINT)
            out, err = watch.communicate(timeout=20)
    assert watch.returncode == 0, err
    summary = msgspec.json.decode(out)
    assert (summary["record"], summary["fs_hz"], summary["leads"]) == ("nano-1", FS_HZ, ["II"])
    assert sum(summary["beats"].values()) > 40
    assert (tmp_path / "nano-1.edge").stat().st_size > 100
    assert "firmware ad8232_nano 1.0" in err
    assert "electrode off: II" in err
    assert "unplugged" in err
