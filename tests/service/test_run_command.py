"""`ecg-edge run`, `devices` and `emulate` as users have them: real processes, a real broker, Ctrl-C."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from broker import Listener
from command import started
from numpy.typing import NDArray
from serial_bench import running

from edge.contract.schemas import schema
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Pty
from firmware_bridge.link_faults import LinkFaults

FS_HZ = 360.0


@pytest.fixture
def mv(toy_ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    return toy_ecg[: 360 * 120]


def test_states_of_a_board_at_the_broker(mv: NDArray[np.float32], tmp_path: Path, listener: Listener) -> None:
    link = tmp_path / "tty"
    board, line = NativeBoard(mv, FS_HZ, ("MLII",)), Pty(link)
    with (
        running(board, line, faults=LinkFaults(unplug_every_s=3.0, unplugged_s=0.7)),
        started("run", "--port", str(link), "--mqtt", listener.url) as process,
    ):
        listener.wait_for(lambda: "degraded" in listener.states())
        listener.wait_for(lambda: listener.states()[-1] == "online")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    listener.wait_for(lambda: listener.states()[-1] == "offline")
    said = [message.json for message in listener.of("status")]
    for status in said:
        jsonschema.validate(status, schema("status"))
    assert said[-1]["reason"] == "stopped"
    assert said[-1]["link"]["reconnects"] >= 1
    assert said[-1]["link"]["lost"] > 100
    degraded = next(status for status in said if status["state"] == "degraded")
    assert "waiting for it to come back" in degraded["reason"] or "no such port" in degraded["reason"]
    assert "emulated" in out


def test_no_board_is_said_at_the_broker_too(listener: Listener) -> None:
    with started("run", "--port", "/dev/ttyNONE", "--mqtt", listener.url) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "/dev/ttyNONE: no such port: plug the board in" in err
    assert "Traceback" not in err
    listener.wait_for(lambda: listener.states()[-1:] == ["offline"])
    status = listener.of("status")[-1].json
    jsonschema.validate(status, schema("status"))
    assert (status["reason"], status["source"]) == ("no such port", None)


def test_emulate_run_and_ctrl_c(toy_record: Path, tmp_path: Path) -> None:
    config, alerts, link = tmp_path / "edge.toml", tmp_path / "alerts.jsonl", tmp_path / "tty"
    config.write_text(f'[device]\nid = "bed-3"\n[sensor]\nport = "{link}"\nformat = "native"\nwait = true\n')
    with started("run", "--config", str(config), "--alerts", str(alerts), "--json") as run:
        with started("emulate", str(toy_record), "--link", str(link), "--wait", "--speed", "60") as board:
            out, err = board.communicate(timeout=60)
            assert board.returncode == 0, err
            assert out.startswith("/dev/pts/")
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
    assert run.returncode == 0, err
    summary = msgspec.json.decode(out)
    assert (summary["record"], summary["fs_hz"]) == ("emulated", 360)
    assert summary["beats"]["N"] + summary["beats"]["V"] > 400
    first = msgspec.json.decode(alerts.read_bytes().splitlines()[0])
    assert first["device"] == "bed-3"
    assert not link.is_symlink()


def test_devices_says_what_a_board_sends(mv: NDArray[np.float32]) -> None:
    line, silent = Pty(), Pty()
    asked = (line.path, silent.path, "/dev/ttyNONE", "--json")
    with running(NativeBoard(mv, FS_HZ, ("MLII",)), line), started("devices", *asked) as process:
        out, err = process.communicate(timeout=30)
    silent.close()
    assert process.returncode == 0, err
    board, nothing, none = msgspec.json.decode(out)
    assert (board["usable"], nothing["usable"], none["usable"]) == (True, False, False)
    assert board["sends"] == "emulated, firmware emulator 1, native protocol; 360 Hz, leads MLII"
    assert (nothing["sends"], none["sends"]) == ("sends nothing", "no such port")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--rate", "5000"], "--rate: takes 100 to 1000"),
        (["run", "--baud", "1"], "--baud: takes 300 to 12000000"),
        (["emulate", "208", "--lead-off", "x"], "'x' is not AT:FOR"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], said: str) -> None:
    with started(*arguments) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said in err


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("[sensor]\nbuad = 9600\n")
    with started("run", "--config", str(config)) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "sensor.buad: no such key" in err
