"""`ecg-edge fleet replay`: the same bytes whoever does the work, whatever stops it, and whatever the files hold."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import psutil
import pytest
import wfdb
from archive import archive, contents, table
from broker import HOST, free_port
from command import COMMAND, Run, environment
from numpy.typing import NDArray
from small_disk import small_disk

from edge.contract.payloads import ModelInfo
from edge.fleet.engine import AGAIN, Engine
from edge.fleet.errors import MismatchError
from edge.fleet.parts import About, Output
from edge.fleet.record import Task, analyse
from edge.fleet.replay import Bulk
from edge.inference.beat_model import BeatModel

WAIT_S = 60.0
NAMES = [f"{ward}/{number:03d}" for ward in ("east", "west") for number in range(12)]


@pytest.fixture(scope="module")
def holters(toy_ecg: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two wards' records, which have the same names."""
    folder = tmp_path_factory.mktemp("holters")
    archive(folder, toy_ecg, NAMES, seconds=20)
    return folder


@pytest.fixture(scope="module")
def task() -> Task:
    with BeatModel.load() as model:
        return Task(model=ModelInfo(name=model.name, sha256=model.sha256), annotations=True)


@pytest.fixture(scope="module")
def serial(holters: Path, task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of the wards, in parts of five."""
    out = tmp_path_factory.mktemp("serial") / "out"
    with ThreadPoolExecutor(1) as executor:
        return in_process(holters, out, task, Engine(executor, "one thread", lambda: 1))


def in_process(holters: Path, out: Path, task: Task, engine: Engine) -> dict[str, bytes]:
    output = Output(out, About(records_a_part=5, task=task))
    total = Bulk([str(holters / name) for name in NAMES], output).run(engine)
    output.close()
    assert (total.records, total.ok, total.failed_in_all) == (len(NAMES), len(NAMES), 0)
    return contents(out)


def test_any_executor_serves(holters: Path, task: Task, serial: dict[str, bytes], tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, get_context("spawn")) as processes:
        assert in_process(holters, tmp_path / "a", task, Engine(threads, "threads", lambda: 3)) == serial
        assert in_process(holters, tmp_path / "b", task, Engine(processes, "processes", lambda: 2)) == serial


def arguments(holters: Path, out: Path, *more: str) -> list[str | Path]:
    return ["fleet", "replay", holters, "--out", out, "--part", "5", "--annotations", *more]


@contextmanager
def command(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def begun(out: Path) -> Callable[[], bool]:
    return lambda: any((out / "summary").glob("part-*"))


def test_a_worker_that_is_killed_changes_no_byte(holters: Path, serial: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with command(*arguments(holters, out, "--workers", "2", "--json")) as process:
        wait_for(begun(out))
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "spawn_main" in str(child.cmdline())
        ]
        assert len(workers) == 2
        workers[0].kill()
        said, complaints = process.communicate(timeout=WAIT_S)
    assert (process.returncode, complaints) == (0, "")
    assert json.loads(said)["ok"] == len(NAMES)
    assert contents(out) == serial


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(
    ecg_edge: Run, holters: Path, serial: dict[str, bytes], tmp_path: Path
) -> None:
    for number, stop in enumerate((signal.SIGKILL, signal.SIGTERM)):
        out = tmp_path / f"out{number}"
        with command(*arguments(holters, out, "--workers", "1")) as process:
            wait_for(begun(out))
            process.send_signal(stop)
            _, complaints = process.communicate(timeout=WAIT_S)
        assert process.returncode == (130 if stop == signal.SIGTERM else -stop)
        assert ("run the same command to go on" in complaints) == (stop == signal.SIGTERM)
        assert contents(out) != serial
        done = ecg_edge(*arguments(holters, out, "--workers", "1", "--json"))
        assert done.returncode == 0, done.stderr
        total = json.loads(done.stdout)
        assert 0 < total["done_before"] < len(NAMES)
        assert total["done_before"] + total["ok"] == len(NAMES)
        assert contents(out) == serial
    again = json.loads(ecg_edge(*arguments(holters, out, "--workers", "1", "--json")).stdout)
    assert (again["done_before"], again["ok"]) == (len(NAMES), 0)


@contextmanager
def cluster(*, workers: int = 1) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler with workers, as they are started on other machines."""
    address = f"tcp://{HOST}:{free_port()}"
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]],
                env=environment(PYTHONPATH=str(Path(__file__).parents[2])),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        port = int(address.rpartition(":")[2])
        scheduler = start("dask_scheduler", "--host", HOST, "--port", str(port), "--no-dashboard")
        for _ in range(workers):
            start("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((HOST, port)) == 0

        wait_for(listens)
        yield address, scheduler


def test_a_scheduler_that_vanishes_is_told_and_the_rest_is_done_later(
    ecg_edge: Run, holters: Path, serial: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with cluster() as (address, scheduler), command(*arguments(holters, out, "--scheduler", address)) as process:
        wait_for(begun(out))
        scheduler.kill()
        _, complaints = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert complaints == f"ecg-edge: {address}: is gone: {AGAIN}\n"
    done = ecg_edge(*arguments(holters, out, "--workers", "1"))
    assert done.returncode == 0, done.stderr
    assert contents(out) == serial


def test_a_worker_of_another_version_refuses(task: Task, holters: Path) -> None:
    import msgspec

    older = msgspec.structs.replace(task, version="0.0.9")
    with pytest.raises(MismatchError, match=r"wanted is ecg-edge 0\.0\.9: install one version on all machines"):
        analyse(str(holters / NAMES[0]), older)
    other = msgspec.structs.replace(task, model=ModelInfo(name="cnn", sha256="0" * 64))
    with ThreadPoolExecutor(1) as executor, pytest.raises(MismatchError, match="model cnn 0000"):
        next(Engine(executor, "it", lambda: 1).in_order(lambda where: analyse(where, other), [NAMES[0]], lost=_never))


def _never(where: str, reason: str) -> None:
    raise AssertionError


def test_the_tables_say_what_a_replay_says(
    ecg_edge: Run, holters: Path, serial: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in serial.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(content)
    one, twin = holters / "west/007", holters / "east/007"
    told = json.loads(ecg_edge("replay", one, "--json", "--annotations", tmp_path).stdout)
    assert (tmp_path / "007.edge").read_bytes() == (tmp_path / "out/annotations/west/007.edge").read_bytes()
    query = f"select * from '{tmp_path}/out/summary/*.parquet' where record = '{one}'"
    row = duckdb.sql(query).df().iloc[0]
    assert (row["name"], row["status"], row["ecg_s"]) == ("007", "ok", 20)
    assert {label: row[label] for label in "NSVFQ"} == told["beats"]
    assert dict(row["episodes"]) == told["episodes"]
    beats = pd.read_parquet(tmp_path / "out/beats")
    mine = beats[beats.record == str(one)]
    annotations = wfdb.rdann(str(tmp_path / "007"), "edge")
    assert mine["sample"].tolist() == [
        s for s, mark in zip(annotations.sample, annotations.symbol, strict=True) if mark != "+"
    ]
    assert not beats[beats.record == str(twin)].equals(mine)
    vitals = pd.read_parquet(tmp_path / "out/vitals")
    assert vitals.groupby("record").seconds.sum().eq(20).all()
    assert vitals[list("NSVFQ")].to_numpy().sum() == len(beats)


def test_damaged_files_are_rows_with_their_reasons(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    folder, out = tmp_path / "many", tmp_path / "out"
    records = archive(folder, toy_ecg, [f"{n:03d}" for n in range(100)], seconds=2)
    records[7].with_suffix(".hea").write_bytes(os.urandom(200))
    records[23].with_suffix(".dat").unlink()
    records[41].with_suffix(".dat").write_bytes(records[41].with_suffix(".dat").read_bytes()[:720])
    done = ecg_edge("fleet", "replay", folder, "--out", out, "--workers", "1", "--json")
    assert done.returncode == 1
    total = json.loads(done.stdout)
    assert (total["ok"], total["partial"], total["failed"]) == (97, 1, 2)
    rows = {row["name"]: row for row in table(out, "summary").to_pylist()}
    assert len(rows) == 100
    bad = {name: row["reason"] for name, row in rows.items() if row["status"] != "ok"}
    assert list(bad) == ["007", "023", "041"]
    assert "header" in bad["007"]
    assert "023.dat is missing" in bad["023"]
    assert "041.dat ends after 360 of 720 samples" in bad["041"]
    assert all(reason.isprintable() for reason in bad.values())

    archive(folder, toy_ecg, [f"{n:03d}" for n in range(100)], seconds=2)
    done = ecg_edge("fleet", "replay", folder, "--out", out, "--workers", "1", "--json", "--retry-failed")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] == 100


def test_a_name_that_is_no_text_is_a_row(task: Task, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    record = archive(tmp_path, toy_ecg, ["plain"])[0]
    header = record.with_suffix(".hea").read_bytes()
    named = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(named + b".hea")).write_bytes(header.replace(b"plain 1", b"caf 1"))
    result = analyse(os.fsdecode(named), task)
    for name, rows in result.tables.items():
        assert set(rows["record"].to_pylist()) <= {f"{tmp_path}/caf\\xe9"}, name
    assert result.tables["beats"].num_rows > 5


def test_a_full_disk_is_told_and_the_rest_is_done_later(
    ecg_edge: Run, holters: Path, serial: dict[str, bytes], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        done = ecg_edge(*arguments(holters, disk / "out", "--workers", "1"))
        assert done.returncode == 1
        assert f"{disk / 'out'}: cannot be written, No space left on device" in done.stderr
        assert done.stderr.count("\n") == 1
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        done = ecg_edge(*arguments(holters, disk / "out", "--workers", "1"))
        assert done.returncode == 0, done.stderr
        assert contents(disk / "out") == serial


def test_nothing_is_written_over(
    ecg_edge: Run, holters: Path, task: Task, serial: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    done = ecg_edge(*arguments(holters, tmp_path / "mine", "--workers", "1"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "holds something else already" in done.stderr
    assert contents(tmp_path / "mine") == {"thesis.txt": b"mine"}

    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_bytes(serial["run.json"])
    done = ecg_edge(*arguments(holters, out, "--workers", "1", "--model", "lstm"))
    assert done.returncode == 1
    assert "holds results made otherwise: model.name, model.sha256 differ" in done.stderr
    held = Output(out, About(records_a_part=5, task=task))
    done = ecg_edge(*arguments(holters, out, "--workers", "1"))
    held.close()
    assert done.returncode == 1
    assert "another run writes there" in done.stderr


def test_usage(ecg_edge: Run, holters: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert ecg_edge("fleet", "replay", holters).returncode == 2
    assert ecg_edge(*arguments(holters, out, "--workers", "2", "--scheduler", "tcp://a:1")).returncode == 2
    assert not out.exists()
