"""`run` records, `recordings` lists, `replay` plays again: real processes, a board on a pty, SIGKILL, a full disk."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
import wfdb
from broker import Listener
from command import Run, started
from numpy.typing import NDArray
from serial_bench import running
from small_disk import small_disk

from edge.config import Config
from edge.service.wiring import records
from edge.sinks.recorder.ring import segments
from edge.sinks.recorder.settings import Recorder
from edge.sources.wfdb_record import WfdbRecord
from edge.tools.recordings import Recording
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Pty

FS_HZ = 360.0
WAIT_S = 30.0


@pytest.fixture
def mv(toy_ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole counts of 5 µV."""
    counts = np.rint(toy_ecg * 200).astype(np.int32)
    return (counts * np.float32(0.005)).astype(np.float32)


@contextmanager
def watching(port: Path, state: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A service that records, a minute a segment."""
    config = port.parent / "edge.toml"
    config.write_text(f'[device]\nid = "bed-3"\n[sensor]\nport = "{port}"\nwait = true\n[recorder]\nsegment_min = 1\n')
    with started("run", "--config", config, *arguments, STATE_DIRECTORY=str(state)) as process:
        yield process


def wait_for(folder: Path, finished: int) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not folder.is_dir() or sum(kept.finished for kept in segments(folder)) < finished:
        assert time.monotonic() < deadline_s, "no recording"
        time.sleep(0.05)


def beats_of(path: Path, annotations: Path | None = None) -> dict[int, str]:
    read = wfdb.rdann(str(annotations or path), "edge")
    return {s: m for s, m in zip(read.sample.tolist(), read.symbol, strict=True) if m in "NSVFQ"}


def test_a_recording_is_what_the_board_sent_and_replays_to_the_same_beats(
    mv: NDArray[np.float32], tmp_path: Path, ecg_edge: Run
) -> None:
    mv = mv[: 3 * 21_600]
    state, link = tmp_path / "state", tmp_path / "tty"
    board, line = NativeBoard(mv, FS_HZ, ("MLII",), running=False), Pty(link)
    with (
        running(board, line, speed=40) as playing,
        watching(link, state, "--annotations", str(tmp_path / "live"), "--json") as run,
    ):
        playing.join(WAIT_S)
        time.sleep(0.5)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=20)
    assert run.returncode == 0, err
    folder = state / "recordings" / "bed-3"
    assert str(folder) in msgspec.json.decode(out)["written"]
    kept = segments(folder)
    assert [one.seconds for one in kept] == [60, 60, 60]
    recorded = np.concatenate([block.mv for one in kept for block in WfdbRecord(one.path).blocks(10_000)])
    np.testing.assert_array_equal(recorded, mv)
    live = beats_of(tmp_path / "live" / "emulated")
    annotated = {i * 21_600 + s: m for i, one in enumerate(kept) for s, m in beats_of(one.path).items()}
    assert annotated == live
    assert len(live) > 250
    done = ecg_edge("replay", *(one.path for one in kept), "--annotations", "again")
    assert done.returncode == 0, done.stderr
    differ = 0
    for i, one in enumerate(kept):
        again = beats_of(one.path, tmp_path / "again" / one.path.name)
        # A replay begins to learn anew, and knows no beat after the last.
        first, last = (0 if i == 0 else 5 * 360), 21_600 - 360
        differ += sum(again.get(s) != m for s, m in beats_of(one.path).items() if first <= s < last)
        differ += sum(s not in beats_of(one.path) for s in again if first <= s < last)
        if i == 0:
            assert differ == 0
    assert differ <= 0.02 * len(live)
    listed = ecg_edge("recordings", folder, "--json")
    found = msgspec.json.decode(listed.stdout, type=list[Recording])
    assert [one.record for one in found] == [str(one.path) for one in kept]
    assert [one.beats for one in found] == [len(beats_of(one.path)) for one in kept]
    assert sum(one.alarms or 0 for one in found) > 0
    assert all(one.leads == ("MLII",) and one.finished for one in found)


def test_killed_and_started_again_nothing_is_missing_but_the_last_second(
    mv: NDArray[np.float32], tmp_path: Path, ecg_edge: Run
) -> None:
    state, link = tmp_path / "state", tmp_path / "tty"
    folder = state / "recordings" / "bed-3"
    # It goes on sending however long two starts take on a busy machine.
    board, line = NativeBoard(np.tile(mv, (50, 1)), FS_HZ, ("MLII",)), Pty(link)
    with running(board, line, speed=60):
        with watching(link, state) as run:
            wait_for(folder, 2)
            run.send_signal(signal.SIGKILL)
            run.wait()
        left = segments(folder)
        assert not left[-1].finished
        listed = ecg_edge("recordings", folder).stdout.splitlines()
        assert "unfinished" in listed[-2]
        with watching(link, state) as run:
            wait_for(folder, len(left))
            run.send_signal(signal.SIGTERM)
            run.communicate(timeout=20)
    recovered = segments(folder)[: len(left)]
    assert [one.path for one in recovered] == [one.path for one in left]
    samples = np.concatenate([block.mv[:, 0] for one in recovered for block in WfdbRecord(one.path).blocks(10_000)])
    at = next(i for i in range(len(mv)) if np.array_equal(mv[i : i + 360, 0], samples[:360]))
    np.testing.assert_array_equal(samples, np.take(mv[:, 0], range(at, at + len(samples)), mode="wrap"))
    assert samples.nbytes // 2 == sum(one.path.with_suffix(".dat").stat().st_size for one in recovered)
    last = beats_of(recovered[-1].path)
    n = WfdbRecord(recovered[-1].path).stream.n_samples or 0
    assert n < 5 * 360 or max(last) > n - 4 * 360


def test_a_full_disk_is_in_the_status_and_the_watch_goes_on(
    mv: NDArray[np.float32], tmp_path: Path, listener: Listener
) -> None:
    link = tmp_path / "tty"
    board, line = NativeBoard(mv, FS_HZ, ("MLII",)), Pty(link)
    device = Listener(listener.url, "bed-3")
    with (
        # So much is left to alerts that wait.
        small_disk(tmp_path / "state", "60m") as state,
        running(board, line, speed=4),
        watching(link, state, "--mqtt", listener.url) as run,
    ):
        device.wait_for(lambda: any("recorder" in str(status.json["reason"]) for status in device.of("status")))
        before = len(device.of("vitals"))
        device.wait_for(lambda: len(device.of("vitals")) > before + 4)
        run.send_signal(signal.SIGTERM)
        _, err = run.communicate(timeout=20)
    device.close()
    said = [line for line in err.splitlines() if "disk full, less than" in line and "recorder, " in line]
    assert "it goes on by itself once that is mended" in said[0]
    assert "Traceback" not in err


def test_nothing_recorded_is_said(tmp_path: Path, ecg_edge: Run) -> None:
    done = ecg_edge("recordings")
    assert (done.returncode, done.stdout.startswith("nothing recorded in ")) == (0, True)
    assert ecg_edge("recordings", tmp_path / "none", "--json").stdout == "[]\n"


def test_a_service_records_and_who_tries_it_by_hand_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, refused = (Config(recorder=Recorder(enabled=enabled)) for enabled in (True, False))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert (records(Config()), records(asked), records(refused)) == (False, True, False)
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/ecg-edge")
    assert (records(Config()), records(asked), records(refused)) == (True, True, False)
