"""From a board's bytes to samples and alerts: speed of the decoder, cost and delay of the reader, what loss costs."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import common
from edge.demo.broker import embedded_broker
from edge.messages import Gap, RPeak, Samples
from edge.pipeline import Chain, front_end
from edge.sources.serial.assembly import Assembler
from edge.sources.serial.boards.native import Native
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import BoardSettings, Sensor
from edge.sources.wfdb_record import WfdbRecord
from firmware_bridge import frames
from firmware_bridge.boards import NativeBoard
from firmware_bridge.codec import Decoder, encode
from firmware_bridge.emulator import Emulator, Line, Pty
from firmware_bridge.link_faults import FaultInjector, LinkFaults

ROUNDS = 5
RANDOM_BYTES = 100_000_000
BAUD = 921_600
FAST_HZ, FAST_BLOCK = 1000, 25
# 4 µs a count and 23 bits: a stamp is told apart from the next one like it for 16 s.
STAMP_US, STAMPS = 4, 1 << 22
LOSS, CORRUPT = 0.05, 0.01
MATCH_S = 0.15
ALERT_RECORD, ALERT_SPEED = "208", 8.0
BEATS = "NLRBAaJSVrFejnE/fQ"


def main() -> None:
    """Measure everything and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the run at 2 leads × 1,000 Hz")
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    seconds = 30.0 if arguments.quick else arguments.seconds
    figures = {
        "decoder_mb_per_s": decoder_speed(),
        "random": random_bytes(RANDOM_BYTES // (10 if arguments.quick else 1)),
        "reader": reader(seconds),
        "alerts_ms": alert_latency(mitdb, minutes=5.0 if arguments.quick else 30.0),
        "loss": [loss(mitdb / record) for record in common.QUICK],
    }
    report(figures, arguments.results)


def say(what: str) -> None:
    """Tell what is being measured."""
    sys.stderr.write(f"{what} …\n")


def decoder_speed() -> dict[str, float]:
    """Return MB/s of the decoder, by kind of frame and size of the pieces it is given."""
    say("decoder")
    rng = np.random.default_rng(0)
    speeds: dict[str, float] = {}
    for n, leads, width in ((25, 2, 2), (25, 2, 3), (10, 1, 2)):
        counts = rng.integers(-3000, 3000, (20_000, n, leads)).astype(np.int32)
        wire = b"".join(
            encode(
                frames.SampleBlock(
                    stream=1, n_leads=leads, width=width, counter=i * n, board_us=i, data=frames.pack_counts(c, width)
                )
            )
            for i, c in enumerate(counts)
        )
        for piece in (65536, 4096, len(wire) // 20_000):
            pieces = [wire[at : at + piece] for at in range(0, len(wire), piece)]
            times = [_timed(lambda pieces=pieces: _decode(pieces)) for _ in range(ROUNDS)]  # type: ignore[misc]
            speeds[f"{leads} × {n} of {8 * width} bits, pieces of {piece}"] = len(wire) / min(times) / 1e6
    return speeds


def _decode(pieces: list[bytes]) -> None:
    decoder = Decoder()
    n = sum(len(decoder.push(piece)) for piece in pieces)
    if n != 20_000 or decoder.stats.bad:
        sys.exit(f"decoder gave {n} frames, {decoder.stats}")


def _timed(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def random_bytes(n: int) -> dict[str, int]:
    """Return how many frames the decoder accepts in random bytes."""
    say(f"{n:,} random bytes")
    decoder, rng = Decoder(), np.random.default_rng(1)
    accepted = sum(len(decoder.push(rng.bytes(1_000_000))) for _ in range(n // 1_000_000))
    return {"bytes": n, "stretches_refused": decoder.stats.bad, "accepted": accepted + decoder.stats.unknown}


def _stamp() -> int:
    return int(time.monotonic() * 1e6 / STAMP_US) % STAMPS


def _fast_board(paths: Any, seconds: float) -> None:
    """Be a board of 2 leads × 1,000 Hz whose samples say when they were written; a process of its own."""
    line = Pty()
    paths.put(line.path)
    hello = frames.Hello(
        stream=1,
        rate_mhz=FAST_HZ * 1000,
        adc_bits=24,
        width=3,
        uv_per_lsb=(1000.0, 1000.0),
        device="bench",
        firmware="1",
        leads=("I", "II"),
    )
    decoder, started, sent = Decoder(), False, 0
    while not started:
        started = any(isinstance(frame, frames.Start) for frame in decoder.push(line.read()))
        time.sleep(0.005)
    line.write(encode(hello), 1)
    began = time.monotonic()
    while sent < seconds * FAST_HZ:
        sent += FAST_BLOCK
        time.sleep(max(began + sent / FAST_HZ - time.monotonic(), 0))
        for frame in decoder.push(line.read()):
            if isinstance(frame, frames.Ping):
                line.write(encode(frames.Pong(token=frame.token, board_us=int(time.monotonic() * 1e6) % 2**32)), 1)
        counts = np.full((FAST_BLOCK, 2), _stamp(), np.int32)
        block = frames.SampleBlock(
            stream=1,
            n_leads=2,
            width=3,
            counter=sent - FAST_BLOCK,
            board_us=int(time.monotonic() * 1e6) % 2**32,
            data=frames.pack_counts(counts, 3),
        )
        if not line.write(encode(block), 0):
            sys.exit("the pty is full: the reader does not keep up")
    time.sleep(1)
    line.close()


def reader(seconds: float) -> dict[str, float]:
    """Return cost and delay of reader and decoder at 2 leads × 1,000 Hz, in real time."""
    say(f"{seconds:g} s of 2 leads × {FAST_HZ:,} Hz")
    paths: Any = multiprocessing.Queue()
    board = multiprocessing.Process(target=_fast_board, args=(paths, seconds), daemon=True)
    board.start()
    stop = threading.Event()
    sensor = SerialSensor(Sensor(port=paths.get(timeout=10), baud=BAUD))
    delays: list[float] = []
    n = lost = 0
    began, cpu = time.monotonic(), time.process_time()
    for message in sensor.messages(stop):
        if isinstance(message, Samples):
            now = _stamp()
            # Several blocks may have been joined; each is stamped.
            delays += [(now - int(stamp)) % STAMPS * STAMP_US / 1000 for stamp in message.mv[::FAST_BLOCK, 0]]
            n = message.end
        elif isinstance(message, Gap):
            lost += message.n
        if n >= seconds * FAST_HZ:
            stop.set()
    cpu_s, wall_s = time.process_time() - cpu, time.monotonic() - began
    board.join(timeout=5)
    p50, p99, most = np.percentile(delays, (50, 99, 100))
    return {
        "seconds": seconds,
        "samples": n,
        "lost": lost,
        "cpu_share": cpu_s / wall_s,
        "delay_ms_p50": float(p50),
        "delay_ms_p99": float(p99),
        "delay_ms_max": float(most),
    }


class _Logged:
    """A line that notes when each sample was written."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.path = line.path
        self.ends: list[int] = []
        self.times: list[float] = []
        self._decoder = Decoder()

    def read(self) -> bytes:
        return self._line.read()

    def write(self, data: bytes, wait_s: float) -> int:
        now = time.monotonic()
        sent = self._line.write(data, wait_s)
        for frame in self._decoder.push(data[:sent]):
            if isinstance(frame, frames.SampleBlock):
                self.ends.append(frame.counter + frame.n_samples)
                self.times.append(now)
        return sent

    def unplug(self) -> None:
        self._line.unplug()

    def plug(self) -> None:
        self._line.plug()

    def close(self) -> None:
        self._line.close()

    def written(self, sample: int) -> float:
        """Return when the block that holds a sample was written."""
        return self.times[int(np.searchsorted(self.ends, sample, side="right"))]


def alert_latency(mitdb: Path, minutes: float) -> dict[str, float]:
    """Return ms from the deciding sample's bytes at the port to the alert at an MQTT subscriber."""
    say(f"{minutes:g} min of record {ALERT_RECORD} at {ALERT_SPEED:g} times real time")
    source = WfdbRecord(mitdb / ALERT_RECORD)
    block = next(source.blocks(int(minutes * 60 * source.stream.fs_hz)))
    line = _Logged(Pty())
    board = NativeBoard(block.mv, source.stream.fs_hz, source.stream.leads, running=False)
    with broker() as url, _subscribed(url) as received:
        command = [sys.executable, "-m", "edge.cli.app", "run", "--port", line.path, "--mqtt", url, "--json"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=common.REPO) as watch:
            Emulator(board, line, speed=ALERT_SPEED).run()
            time.sleep(1)
            watch.send_signal(signal.SIGINT)
            watch.wait()
    line.close()
    last = line.ends[-1]
    # What is told only because the watch ended waited for Ctrl-C, not for a sample.
    delays = [1000 * (at - line.written(decided - 1)) for at, decided in received if decided < last - 360]
    p50, p99, most = np.percentile(delays, (50, 99, 100))
    return {"alerts": len(delays), "p50": float(p50), "p99": float(p99), "max": float(most)}


@contextmanager
def broker() -> Iterator[str]:
    """Run mosquitto if it is installed, otherwise the broker of the demo."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        with embedded_broker() as url:
            yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = Path(folder) / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n", encoding="utf-8")
        with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(0.5)
                yield f"mqtt://127.0.0.1:{port}"
            finally:
                process.terminate()


@contextmanager
def _subscribed(url: str) -> Iterator[list[tuple[float, int]]]:
    """Collect when alerts arrive and at which sample they were decided."""
    import paho.mqtt.client as paho  # noqa: PLC0415  (only here)
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

    received: list[tuple[float, int]] = []

    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        now = time.monotonic()
        received.append((now, msgspec.json.decode(message.payload)["decision"]["sample"]))

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_connect = lambda client, *_: client.subscribe("ecg/v1/+/alerts", qos=1)
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    time.sleep(0.5)
    yield received
    client.disconnect()
    client.loop_stop()


def loss(path: Path) -> dict[str, Any]:
    """Return what losing and damaging frames costs in R peaks that lie in what was received."""
    say(f"loss, record {path.name}")
    source = WfdbRecord(path)
    stream = source.stream
    mv = np.concatenate([block.mv for block in source.blocks(100_000)])
    board = NativeBoard(mv, stream.fs_hz, stream.leads)
    tormentor, native = FaultInjector(LinkFaults(loss=LOSS, corrupt=CORRUPT)), Native(BoardSettings())
    assembler = Assembler(path.name, 0.0)
    messages: list[Samples | Gap] = []
    for tick in range(int(len(mv) / stream.fs_hz * 10) + 20):
        hello = [encode(board.hello)] if tick == 0 else []
        for item in native.push(b"".join(hello + tormentor.pass_on(board.due(tick / 10)))):
            messages += [m for m in assembler.push(item, tick / 10) if isinstance(m, Samples | Gap)]
    lost = np.zeros(len(mv), bool)
    for message in messages:
        if isinstance(message, Gap):
            lost[message.start : message.start + message.n] = True
    reference = _annotated(path)
    received = reference[~_touched(lost, reference, round(0.05 * stream.fs_hz))]
    within = round(MATCH_S * stream.fs_hz)
    clean = _peaks(Chain(front_end(stream)[:3]), [Samples(start=0, mv=mv)])
    found = _peaks(Chain(front_end(stream)[:3]), messages)
    return {
        "record": path.name,
        "lost_share": float(lost.mean()),
        "gaps": sum(isinstance(message, Gap) for message in messages),
        "beats_received": len(received),
        "se_clean": 100 * float(_near(clean, received, within).mean()),
        "se": 100 * float(_near(found, received, within).mean()),
        "false_clean": int(np.count_nonzero(~_near(reference, clean, within))),
        "false": int(np.count_nonzero(~_near(reference, found, within))),
    }


def _peaks(chain: Chain, messages: list[Samples | Gap]) -> NDArray[np.int64]:
    out = [event for message in messages for event in chain.push(message)] + chain.flush()
    return np.array([event.sample for event in out if isinstance(event, RPeak)])


def _annotated(path: Path) -> NDArray[np.int64]:
    import wfdb  # noqa: PLC0415  (takes a second to import)

    annotation = wfdb.rdann(str(path), "atr")
    return np.array([s for s, mark in zip(annotation.sample, annotation.symbol, strict=True) if mark in BEATS])


def _touched(lost: NDArray[np.bool_], samples: NDArray[np.int64], reach: int) -> NDArray[np.bool_]:
    sums = np.concatenate([[0], np.cumsum(lost)])
    first, after = np.maximum(samples - reach, 0), np.minimum(samples + reach + 1, len(lost))
    return np.asarray(sums[after] > sums[first])


def _near(found: NDArray[np.int64], wanted: NDArray[np.int64], within: int) -> NDArray[np.bool_]:
    at = np.clip(np.searchsorted(found, wanted), 1, len(found) - 1)
    return np.asarray(np.minimum(np.abs(found[at] - wanted), np.abs(found[at - 1] - wanted)) <= within)


def report(figures: dict[str, Any], folder: Path) -> None:
    """Write down what was measured."""
    fast, alerts, random = figures["reader"], figures["alerts_ms"], figures["random"]
    speeds = [[kind, f"{speed:.0f}"] for kind, speed in figures["decoder_mb_per_s"].items()]
    losses = [
        [
            row["record"],
            f"{100 * row['lost_share']:.1f}",
            row["gaps"],
            row["beats_received"],
            f"{row['se_clean']:.2f}",
            f"{row['se']:.2f}",
            row["false_clean"],
            row["false"],
        ]
        for row in figures["loss"]
    ]
    text = [
        "# From the board's bytes to samples and alerts",
        "The decoder of the native protocol, one core, MB/s of wire bytes.",
        common.table(["frames", "MB/s"], speeds),
        f"In {random['bytes']:,} random bytes it refused {random['stretches_refused']:,} stretches between zeros and "
        f"accepted {random['accepted']}.",
        f"Two leads × {FAST_HZ:,} Hz of 24 bits over a pty in real time, {fast['seconds']:,.0f} s: {fast['samples']:,} "
        f"samples, {fast['lost']} lost; reader, decoder and assembly together {100 * fast['cpu_share']:.1f} % of one "
        f"core; from a frame's last byte written to its samples in the consumer's hands p50 {fast['delay_ms_p50']:.2f} "
        f"ms, p99 {fast['delay_ms_p99']:.2f} ms, at most {fast['delay_ms_max']:.1f} ms. (A pty passes bytes at once; a "
        f"UART at {BAUD:,} baud adds the time on the wire.)",
        f"From the bytes of the deciding sample written to the port to the alert at an MQTT subscriber, record "
        f"{ALERT_RECORD} at {ALERT_SPEED:g} times real time, all of `ecg-edge run` in between: {alerts['alerts']} "
        f"messages, p50 {alerts['p50']:.1f} ms, p99 {alerts['p99']:.1f} ms, at most {alerts['max']:.1f} ms.",
        f"{100 * LOSS:g} % of frames of 50 ms lost and {100 * CORRUPT:g} % damaged: sensitivity for annotated beats "
        "within 150 ms of an R peak found, among the beats 50 ms around which was received; and R peaks that are "
        "near no annotated beat.",
        common.table(["record", "lost %", "gaps", "beats", "Se % clean", "Se %", "false clean", "false"], losses),
    ]
    facts = common.machine("cobs", "pyserial", "paho-mqtt")
    common.write(folder, "serial", text, figures=figures, facts=facts)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
