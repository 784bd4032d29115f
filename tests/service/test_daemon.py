"""The service for months: ready, watched, stopped, reloaded, and what it says when something is wrong."""

from __future__ import annotations

import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest
from broker import Listener, Mosquitto
from service_manager import Manager, service
from small_disk import small_disk

import edge.inference.beat_model
from edge.config import Config
from edge.contract.schemas import schema
from edge.errors import ModelError
from edge.inference.beat_model import BeatModel
from edge.messages import Message, Samples, Stream
from edge.service.health import LEAST_FREE, Health, load_model, writable
from edge.service.notify import Notifier
from edge.service.run import LiveRun
from edge.service.signals import STOP_WITHIN_S, Asked, SignalRequests
from edge.service.wiring import Options, model_info, mqtt_sink
from edge.sinks import Sink
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor


@pytest.fixture(scope="module")
def model() -> Iterator[BeatModel]:
    with BeatModel.load("cnn") as model:
        yield model


def test_ready_when_samples_flow_watched_and_stopped(manager: Manager, board: Path, tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    with service(manager, "--port", board, "--alerts", alerts, "--json") as process:
        manager.wait_for("READY")
        assert manager.of("STATUS")[0].startswith("watching emulated, 360 Hz")
        manager.wait_for("WATCHDOG", 4)
        manager.wait_for("STATUS", text="beats/min")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=STOP_WITHIN_S + 5)
    assert process.returncode == 0, err
    assert manager.of("STOPPING") == ["1"]
    assert sum(msgspec.json.decode(out)["beats"].values()) > 10
    assert all(msgspec.json.decode(line)["phase"] for line in alerts.read_bytes().splitlines())


def test_ready_without_a_board_once_the_reason_is_published(manager: Manager, listener: Listener) -> None:
    with service(manager, "--port", "/dev/ttyNONE", "--wait", "--mqtt", listener.url) as process:
        manager.wait_for("READY")
        published = listener.of("status")
        listener.wait_for(lambda: "degraded" in listener.states())
        assert "no such port" in manager.of("STATUS")[0]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_WITHIN_S + 5)
    assert process.returncode == 0
    for status in (*published, *listener.of("status")):
        jsonschema.validate(status.json, schema("status"))


def test_sigterm_is_obeyed_although_the_broker_has_gone_silent(
    manager: Manager, mosquitto: Mosquitto, board: Path
) -> None:
    with service(manager, "--port", board, "--mqtt", mosquitto.url) as process:
        manager.wait_for("STATUS", text="beats/min")
        assert mosquitto._process is not None
        mosquitto._process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        try:
            # Acknowledgements alone are waited for twice as long.
            process.communicate(timeout=STOP_WITHIN_S + 2)
        finally:
            mosquitto._process.send_signal(signal.SIGCONT)
    assert process.returncode is not None


def test_the_watchdog_starves_while_the_work_hangs(
    model: BeatModel, manager: Manager, board: Path, tmp_path: Path
) -> None:
    class Stuck(Sink):
        since = until = 0.0

        def open(self, stream: Stream) -> None: ...

        def write(self, message: Message) -> None:
            if isinstance(message, Samples) and message.end > 720 and not self.since:
                self.since = time.monotonic()
                time.sleep(1.5)
                self.until = time.monotonic()

        def close(self, reason: str) -> None: ...

    stop, stuck = threading.Event(), Stuck()
    live = LiveRun(Options(), model, [stuck], report=lambda _: None, notifier=Notifier(manager.address, 0.3))
    threading.Timer(5.0, stop.set).start()
    live.run(SerialSensor(Sensor(port=str(board))), stop)
    manager.wait_for("STOPPING")
    fed = [at for at, words in manager.told if "WATCHDOG" in words]
    assert stuck.since and any(at < stuck.since for at in fed) and any(at > stuck.until for at in fed)
    assert not [at for at in fed if stuck.since + 0.05 < at < stuck.until]


def test_sighup_takes_up_rules_and_refuses_nonsense(manager: Manager, board: Path, tmp_path: Path) -> None:
    config, alerts = tmp_path / "edge.toml", tmp_path / "alerts.jsonl"
    before = f'[sensor]\nport = "{board}"\n'
    config.write_text(before)
    with service(manager, "--config", config, "--alerts", alerts) as process:
        manager.wait_for("READY")
        config.write_text(before + "[rhythm]\ntachycardia_bpm = 80\n[mqtt]\nwaveform = true\n")
        process.send_signal(signal.SIGHUP)
        manager.wait_for("READY", 2)
        config.write_text(before + "[rhythm]\ntachicardia_bpm = 30\n")
        process.send_signal(signal.SIGHUP)
        manager.wait_for("READY", 3)
        deadline_s = time.monotonic() + 30
        while b'"tachycardia"' not in alerts.read_bytes() and time.monotonic() < deadline_s:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=STOP_WITHIN_S + 5)
    assert process.returncode == 0, err
    assert manager.of("RELOADING") == ["1", "1"]
    assert "configuration read again; changed: rhythm, mqtt" in err
    assert "mqtt: takes effect after a restart" in err
    assert re.search(r"rhythm\.tachicardia_bpm: no such key: .*; the configuration stays as it was", err)
    assert b'"tachycardia"' in alerts.read_bytes()


def test_a_signal_in_the_midst_of_what_it_asks_for_does_not_stop_the_watch() -> None:
    for asked in (Asked(), SignalRequests().stop):
        with asked._cond:  # as `clear` and `wait` do, where a signal may interrupt them
            asked.set()
        assert asked.wait(0)


def test_a_flood_of_sighup_is_taken_once_a_second(manager: Manager, board: Path, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(f'[sensor]\nport = "{board}"\n')
    with service(manager, "--config", config, "--json") as process:
        manager.wait_for("READY")
        begun = time.monotonic()
        for _ in range(3000):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.0005)
        config.write_text(f'[sensor]\nport = "{board}"\n[rhythm]\ntachycardia_bpm = 80\n')
        process.send_signal(signal.SIGHUP)
        # The last word is heard, however many were said before.
        time.sleep(3)
        seconds = time.monotonic() - begun
        manager.wait_for("WATCHDOG", len(manager.of("WATCHDOG")) + 1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=STOP_WITHIN_S + 5)
    assert process.returncode == 0, err
    assert 2 <= len(manager.of("RELOADING")) <= seconds + 3
    assert "configuration read again; changed: rhythm" in err
    assert sum(msgspec.json.decode(out)["beats"].values()) > 5


def test_what_is_wrong_here_is_told_with_the_status(
    model: BeatModel, listener: Listener, board: Path, tmp_path: Path
) -> None:

    settings = Config(mqtt=msgspec.structs.replace(Config().mqtt, url=listener.url))
    stop, said = threading.Event(), list[str]()
    health = Health([tmp_path / "gone"], ["model cnn: missing; lstm is used instead"])
    live = LiveRun(
        Options(config=settings),
        model,
        [mqtt_sink(settings, model_info(model))],
        report=lambda error: said.append(str(error)),
        health=health,
    )
    threading.Timer(4.0, stop.set).start()
    live.run(SerialSensor(Sensor(port=str(board))), stop)
    degraded = [status.json for status in listener.of("status") if status.json["state"] == "degraded"]
    told = next(str(status["reason"]) for status in degraded if "lstm is used instead" in str(status["reason"]))
    assert "no such file or directory" in told
    assert told in said


def test_a_clock_that_is_set_is_told_for_a_while() -> None:
    now_s, wall_s = 0.0, 1e9
    health = Health(wall_s=lambda: wall_s + now_s, now_s=lambda: now_s)
    assert health.problems() == ()
    now_s, wall_s = 10.0, wall_s + 86_400
    assert health.problems() == ("clock was set forward by 86400 s",)
    now_s, wall_s = 20.0, wall_s - 2 * 86_400
    assert health.problems() == ("clock was set back by 172800 s",)
    now_s, wall_s = 100.0, wall_s + 0.1
    assert len(health.problems()) == 1
    now_s = 1000.0
    assert health.problems() == ()


@pytest.mark.parametrize(
    ("step_s", "told"),
    [(0.9, ()), (-0.9, ()), (1.1, ("clock was set forward by 1 s",)), (-1.1, ("clock was set back by 1 s",))],
)
def test_a_clock_that_is_slewed_is_no_clock_that_is_set(step_s: float, told: tuple[str, ...]) -> None:
    now_s, wall_s = 0.0, 1e9
    health = Health(wall_s=lambda: wall_s + now_s, now_s=lambda: now_s)
    assert health.problems() == ()
    now_s, wall_s = 10.0, wall_s + step_s
    assert health.problems() == told


def test_a_full_and_a_read_only_disk_are_told(tmp_path: Path) -> None:
    assert writable(tmp_path) is None
    assert "no such file" in (writable(tmp_path / "gone") or "")
    with small_disk(tmp_path / "full", f"{LEAST_FREE // 2}") as folder:
        assert (writable(folder) or "").startswith("disk full: 17 MB left in")
    with small_disk(tmp_path / "fixed", "64m", "ro") as folder:
        assert (writable(folder) or "").endswith("cannot be written to")


def test_a_full_disk_stops_a_file_but_not_the_watch(manager: Manager, board: Path, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "full", "4k") as folder,
        service(manager, "--port", board, "--alerts", folder / "alerts.jsonl", "--json") as process,
    ):
        told = manager.wait_for("STATUS", text="disk full")
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=STOP_WITHIN_S + 5)
    assert "0 MB left" in told
    assert sum(msgspec.json.decode(out)["beats"].values()) > 5


def test_how_full_a_disk_is_is_told_once(tmp_path: Path) -> None:
    now_s = 0.0
    with small_disk(tmp_path / "full", f"{LEAST_FREE // 2}") as folder:
        health = Health([folder], now_s=lambda: now_s, wall_s=lambda: now_s)
        first = health.problems()
        assert len(first) == 1
        (folder / "more").write_bytes(bytes(4_000_000))
        now_s = 10.0
        assert health.problems() == first


def test_another_model_stands_in_for_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models"
    shutil.copytree(edge.inference.beat_model.models_dir(), folder)
    monkeypatch.setattr(edge.inference.beat_model, "models_dir", lambda: folder)
    monkeypatch.setattr("edge.service.health.model_names", edge.inference.beat_model.model_names)
    model, problem = load_model("cnn")
    assert (model.name, problem) == ("cnn", None)
    damaged = folder / "cnn.tflite"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    model, problem = load_model("cnn")
    assert model.name == "lstm"
    assert problem is not None
    assert problem.startswith("model cnn: file has sha256")
    assert problem.endswith("lstm is used instead")
    (folder / "lstm.tflite").unlink()
    with pytest.raises(ModelError, match="cnn"):
        load_model("cnn")
