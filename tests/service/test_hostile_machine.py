"""The real service where disk, files or installation are against it: what it says, and that it goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from broker import HOST, MOSQUITTO, Listener, Mosquitto, free_port
from command import REPO, environment
from service_manager import Manager, configured, logged, service, stopped
from small_disk import small_disk

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")


def test_a_damaged_outbox_is_set_aside_and_told(
    manager: Manager, mosquitto: Mosquitto, fast_board: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "outbox-ecg-edge.sqlite").write_bytes(b"not a database" * 1000)
    listener = Listener(mosquitto.url)
    config = configured(tmp_path, fast_board, f'url = "{mosquitto.url}"')
    with service(manager, "--config", config, STATE_DIRECTORY=str(state)) as process:
        listener.wait_for(lambda: listener.of("alerts"))
        told = [message.json for message in listener.of("status")]
        assert stopped(process)[0] == 0
    assert any("was damaged and is kept as" in str(status["outbox"]) for status in told)
    assert (state / "outbox-ecg-edge.sqlite.damaged-1").read_bytes().startswith(b"not a database")
    listener.close()


@pytest.mark.parametrize("options", ["size=64m,ro", "size=48k"])
def test_where_nothing_can_be_kept_alerts_arrive_nevertheless(
    options: str, manager: Manager, mosquitto: Mosquitto, fast_board: Path, tmp_path: Path
) -> None:
    listener = Listener(mosquitto.url)
    config = configured(tmp_path, fast_board, f'url = "{mosquitto.url}"')
    size, *others = options.removeprefix("size=").split(",")
    with (
        small_disk(tmp_path / "state", size, *others) as state,
        service(manager, "--config", config, STATE_DIRECTORY=str(state)) as process,
    ):
        listener.wait_for(lambda: len(listener.of("alerts")) > 3)
        listener.wait_for(lambda: "degraded" in listener.states())
        reasons = [str(message.json["reason"]) for message in listener.of("status")]
        stopped(process)
    assert any("memory only" in reason or "disk full" in reason for reason in reasons), reasons
    assert listener.states()[-1] == "offline"
    listener.close()


def test_what_is_lost_without_disk_and_broker_is_said(manager: Manager, fast_board: Path, tmp_path: Path) -> None:
    config = configured(tmp_path, fast_board, f'url = "mqtt://{HOST}:{free_port()}"')
    log = tmp_path / "alerts.jsonl"
    with (
        small_disk(tmp_path / "state", "64m", "ro") as state,
        service(manager, "--config", config, "--alerts", log, STATE_DIRECTORY=str(state)) as process,
    ):
        logged(log)
        code, err = stopped(process)
    assert code == 1
    assert "were not acknowledged: they are lost" in err


def test_without_its_model_the_service_watches_with_the_other(
    manager: Manager, mosquitto: Mosquitto, fast_board: Path, tmp_path: Path
) -> None:
    installed = tmp_path / "site"
    for package in ("edge", "firmware_bridge", "models"):
        shutil.copytree(REPO / package, installed / package, ignore=shutil.ignore_patterns("__pycache__"))
    (installed / "models" / "cnn.tflite").unlink()
    listener = Listener(mosquitto.url)
    config = configured(tmp_path, fast_board, f'url = "{mosquitto.url}"')
    with subprocess.Popen(
        [sys.executable, "-m", "edge.cli.app", "run", "--config", config],
        cwd=installed,
        env=environment(NOTIFY_SOCKET=manager.address, PYTHONPATH=str(installed)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        manager.wait_for("READY")
        listener.wait_for(lambda: listener.of("beats"))
        listener.wait_for(lambda: "degraded" in listener.states())
        status = next(m.json for m in listener.of("status") if m.json["state"] == "degraded")
        code, err = stopped(process)
    assert code == 0, err
    assert "lstm is used instead" in str(status["reason"])
    assert status["model"]["name"] == "lstm"  # type: ignore[index]
    listener.close()


@pytest.mark.parametrize(
    "text",
    [
        '[device]\nid = "a/+/#"\n',
        f'[device]\nid = "{"x" * 100_000}"\n',
        "[device]\nid = 7\n",
        '[mqtt]\nurl = "mqtt://bed:secret@broker"\n',
        "[alarms]\nhold_s = nan\n",
        "\x00" * 100,
        "[device" * 10_000,
    ],
    ids=range(7),
)
def test_a_configuration_that_makes_no_sense_is_refused_in_a_line(text: str, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli.app", "run", "--config", config],
        cwd=REPO,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (1, 2), done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 500
    assert "secret" not in done.stderr
