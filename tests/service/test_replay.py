"""`ecg-edge replay` as users run it: files, brokers, paces, interruptions, and everything that can be wrong."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
import wfdb
from broker import HOST, MOSQUITTO, Listener, Mosquitto, free_port
from command import COMMAND, Run, environment, write_record
from numpy.typing import NDArray

from edge.contract.schemas import schema


def lines(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def without_times(value: Any) -> Any:
    """A payload without what differs between two replays of a record that does not say when it was made."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in ("time", "id")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def complaints(stderr: str) -> list[str]:
    """What the command says on standard error; the interpreter's own chatter is not ours."""
    assert "Traceback" not in stderr
    return [line for line in stderr.splitlines() if line.startswith("ecg-edge:")]


def test_alerts_at_the_broker_in_the_file_and_in_the_annotations_are_the_same(
    ecg_edge: Run, toy_record: Path, tmp_path: Path, listener: Listener
) -> None:
    out, file = tmp_path / "out", tmp_path / "alerts.jsonl"
    done = ecg_edge("replay", toy_record, "--json", "--annotations", out, "--alerts", file, "--mqtt", listener.url)
    assert done.returncode == 0, done.stderr
    listener.wait_for(lambda: "offline" in listener.states())

    alerts = lines(file)
    assert alerts
    assert [message.json for message in listener.of("alerts")] == alerts
    for message in listener.messages:
        jsonschema.validate(message.json, schema(message.topic))
    assert listener.of("alerts/active")[-1].json["alerts"] == []

    summary = msgspec.json.decode(done.stdout)
    onsets = [alert for alert in alerts if alert["phase"] == "onset"]
    assert sum(summary["alerts"].values()) == len(onsets)
    assert {alert["id"] for alert in alerts} == {alert["id"] for alert in onsets}

    annotations = wfdb.rdann(str(out / "toy"), "edge")
    beats = [(s, mark) for s, mark in zip(annotations.sample.tolist(), annotations.symbol, strict=True) if mark != "+"]
    published = [(beat["sample"], beat["label"]) for message in listener.of("beats") for beat in message.json["beats"]]
    assert published == beats
    assert {label: sum(mark == label for _, mark in beats) for label in "NSVFQ"} == summary["beats"]
    changes = set(annotations.sample[np.array(annotations.symbol) == "+"].tolist())
    rhythms = [a for a in onsets if a["kind"] in ("vt", "v_run", "idioventricular", "svt_run", "bigeminy", "trigeminy")]
    assert rhythms
    assert {alert["onset"]["sample"] for alert in rhythms} <= changes
    assert (np.diff(annotations.sample) >= 0).all()
    assert annotations.fs == 360


def test_replay_at_a_pace_equals_replay_at_full_speed(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    paces = {"fast": ("--speed", "max"), "paced": ("--speed", "100"), "odd": ("--block", "77")}
    for name, pace in paces.items():
        done = ecg_edge(
            "replay", toy_record, *pace, "--annotations", tmp_path / name, "--alerts", tmp_path / f"{name}.jsonl"
        )
        assert done.returncode == 0, done.stderr
    annotations = {(tmp_path / name / "toy.edge").read_bytes() for name in paces}
    assert len(annotations) == 1
    alerts = [without_times(lines(tmp_path / f"{name}.jsonl")) for name in paces]
    assert alerts[0] == alerts[1] == alerts[2] != []


def test_the_summary_is_for_people_by_default(ecg_edge: Run, toy_record: Path) -> None:
    done = ecg_edge("replay", toy_record)
    assert done.returncode == 0
    assert "toy  0:0" in done.stdout
    table = done.stdout[done.stdout.index("record ") :]
    assert max(map(len, table.splitlines())) <= 80
    for word in ("× real", "episodes", "alerts", "decided after", "model"):
        assert word in table
    assert complaints(done.stderr) == []


def test_json_has_what_was_found_and_how_fast(ecg_edge: Run, toy_record: Path) -> None:
    done = ecg_edge("replay", toy_record, "--json")
    summary = msgspec.json.decode(done.stdout)
    assert summary["record"] == "toy"
    assert summary["ecg_s"] == 300
    assert summary["speed"] == pytest.approx(300 / summary["elapsed_s"], rel=0.05)
    assert set(summary["beats"]) == set("NSVFQ")
    assert 450 < sum(summary["beats"].values()) < 550
    assert summary["rr_ms"]["min"] < summary["rr_ms"]["mean"] < summary["rr_ms"]["max"]
    assert 80 < summary["hr_bpm"]["mean"] < 120
    assert 0 < summary["beat_latency_ms"]["p50"] <= summary["beat_latency_ms"]["p95"]
    assert summary["model"]["name"] == "cnn"
    assert len(summary["model"]["sha256"]) == 64
    assert summary["errors"] == []


def test_the_other_model_can_be_had(ecg_edge: Run, toy_record: Path) -> None:
    summary = msgspec.json.decode(ecg_edge("replay", toy_record, "--json", "--model", "lstm").stdout)
    assert summary["model"]["name"] == "lstm"
    assert summary["beats"]["V"] > 50


def test_one_record_that_fails_does_not_stop_the_others(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    done = ecg_edge("replay", "nosuch", toy_record, "--json", "--annotations", tmp_path / "out")
    assert done.returncode == 1
    first, second = map(msgspec.json.decode, done.stdout.splitlines())
    assert "no such record" in first["errors"][0]
    assert second["errors"] == []
    assert second["written"] == [str(tmp_path / "out" / "toy.edge")]
    assert len(complaints(done.stderr)) == 1


@pytest.fixture
def half_a_minute(toy_ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    return toy_ecg[: 30 * 360]


def test_a_truncated_record_keeps_what_could_be_read(
    ecg_edge: Run, half_a_minute: NDArray[np.float32], tmp_path: Path
) -> None:
    record = write_record(tmp_path, "cut", half_a_minute)
    signal_file = record.with_suffix(".dat")
    signal_file.write_bytes(signal_file.read_bytes()[: 20 * 360 * 2 + 1])
    done = ecg_edge("replay", record, "--json", "--annotations", tmp_path, "--alerts", tmp_path / "a.jsonl")
    assert done.returncode == 1
    assert len(complaints(done.stderr)) == 1
    assert "cut.dat ends after" in done.stderr
    summary = msgspec.json.decode(done.stdout)
    assert summary["ecg_s"] == 20
    assert len(wfdb.rdann(str(record), "edge").sample) > 20
    assert (tmp_path / "a.jsonl").is_file()


def test_missing_values_are_lived_with(ecg_edge: Run, half_a_minute: NDArray[np.float32], tmp_path: Path) -> None:
    mv = half_a_minute.copy()
    mv[3000:3020] = np.nan
    done = ecg_edge("replay", write_record(tmp_path, "holes", mv), "--json")
    assert done.returncode == 0, done.stderr
    assert sum(msgspec.json.decode(done.stdout)["beats"].values()) > 40


def test_a_record_in_which_nothing_can_be_read_has_failed(ecg_edge: Run, tmp_path: Path) -> None:
    record = write_record(tmp_path, "flat", np.zeros((30 * 360, 1), np.float32))
    done = ecg_edge("replay", record, "--annotations", tmp_path)
    assert done.returncode == 1
    assert complaints(done.stderr) == ["ecg-edge: flat: no lead could be read in any second of it: check the leads"]
    assert (tmp_path / "flat.edge").is_file()


HEADERS = {
    "zero rate": ("h 1 0 7200\nh.dat 16 200/mV 16 0 0 0 0 MLII\n", "samples a second"),
    "no rate in range": ("h 1 5000 7200\nh.dat 16 200/mV 16 0 0 0 0 MLII\n", "samples a second"),
    "no lead": ("h 1 360 7200\nh.dat 16 200/mmHg 16 0 0 0 0 ABP\n", "no usable lead"),
    "gain": ("h 1 360 7200\nh.dat 16 abc/mV 16 0 0 0 0 MLII\n", "gain"),
    "no header": ("what is this?\n", "not a WFDB header"),
    "no signal file": ("h 1 360 7200\nother.dat 16 200/mV 16 0 0 0 0 MLII\n", "other.dat"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_bad_header_is_one_line(ecg_edge: Run, tmp_path: Path, case: str) -> None:
    header, expected = HEADERS[case]
    (tmp_path / "h.hea").write_text(header)
    (tmp_path / "h.dat").write_bytes(bytes(14_400))
    done = ecg_edge("replay", "h")
    assert done.returncode == 1
    (line,) = complaints(done.stderr)
    assert expected in line


def test_an_unknown_gain_is_said_and_assumed(ecg_edge: Run, half_a_minute: NDArray[np.float32], tmp_path: Path) -> None:
    (tmp_path / "h.hea").write_text("h 1 360 10800\nh.dat 16\n")
    (tmp_path / "h.dat").write_bytes((half_a_minute * 200).astype("<i2").tobytes())
    done = ecg_edge("replay", "h", "--json")
    assert done.returncode == 0
    assert "gain" in msgspec.json.decode(done.stdout)["notes"][0]
    assert len(complaints(done.stderr)) == 1


def test_an_unreachable_broker_costs_no_files(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    url = f"mqtt://{HOST}:{free_port()}"
    out, file = tmp_path / "out", tmp_path / "a.jsonl"
    done = ecg_edge("replay", toy_record, "--json", "--annotations", out, "--alerts", file, "--mqtt", url)
    assert done.returncode == 1
    (line,) = complaints(done.stderr)
    assert url in line
    summary = msgspec.json.decode(done.stdout)
    assert len(summary["errors"]) == 1
    assert summary["written"] == [str(out / "toy.edge"), str(file)]
    assert lines(file)
    assert len(wfdb.rdann(str(out / "toy"), "edge").sample) > 450


@pytest.mark.parametrize("outbox", [False, True], ids=["connection", "outbox"])
def test_what_the_broker_does_not_take_is_not_delivered(
    ecg_edge: Run, toy_record: Path, tmp_path: Path, *, outbox: bool
) -> None:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    (tmp_path / "acl").write_text("topic read #\n")
    with Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {tmp_path / 'acl'}").running() as broker:
        kept = f'[outbox]\npath = "{tmp_path / "outbox.sqlite"}"\n' if outbox else ""
        (tmp_path / "edge.toml").write_text(f'[mqtt]\nurl = "{broker.url}"\n{kept}')
        done = ecg_edge("replay", toy_record, "--config", "edge.toml", "--json")
    assert done.returncode == 1
    summary = msgspec.json.decode(done.stdout)
    assert (len(summary["errors"]), summary["written"]) == (1, [])
    last = complaints(done.stderr)[-1]
    assert last == f"ecg-edge: {summary['errors'][0]}"
    assert ("were not acknowledged" if outbox else "were refused, Not authorized") in last


def test_annotations_that_cannot_be_written_cost_no_alerts(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = ecg_edge("replay", toy_record, "--annotations", "taken", "--alerts", "a.jsonl")
    assert done.returncode == 1
    assert len(complaints(done.stderr)) == 1
    assert lines(tmp_path / "a.jsonl")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interruption_keeps_what_was_found(
    toy_record: Path, tmp_path: Path, listener: Listener, number: signal.Signals, code: int
) -> None:
    command = [*COMMAND, "replay", str(toy_record), "--speed", "20", "--annotations", str(tmp_path), "--json"]
    process = subprocess.Popen(
        [*command, "--alerts", str(tmp_path / "a.jsonl"), "--mqtt", listener.url],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        listener.wait_for(lambda: len(listener.of("vitals")) > 20)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    summary = msgspec.json.decode(out)
    assert 20 < summary["ecg_s"] < 300
    annotations = wfdb.rdann(str(tmp_path / "toy"), "edge")
    assert sum(mark != "+" for mark in annotations.symbol) == sum(summary["beats"].values()) > 20
    listener.wait_for(lambda: "offline" in listener.states())
    assert listener.of("status")[-1].json["reason"] == "interrupted"
    assert [message.json for message in listener.of("alerts")] == lines(tmp_path / "a.jsonl")


def test_a_configuration_is_followed(ecg_edge: Run, toy_record: Path, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(
        f'[device]\nid = "bed-3"\n[mqtt]\nurl = "{listener.url}"\nwaveform = true\n[alarms.priority]\ncouplet = "off"\n'
    )
    bed = Listener(listener.url, "bed-3")
    done = ecg_edge("replay", toy_record, "--config", "c.toml", "--json")
    assert done.returncode == 0
    bed.wait_for(lambda: "offline" in bed.states())
    assert "couplet" not in msgspec.json.decode(done.stdout)["alerts"]
    assert bed.of("waveform")
    assert not listener.messages
    bed.close()


def test_a_mitbih_record_end_to_end(ecg_edge: Run, mitdb: Path, tmp_path: Path) -> None:
    done = ecg_edge("replay", "100", "--data", mitdb, "--annotations", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    ours, theirs = wfdb.rdann(str(tmp_path / "100"), "edge"), wfdb.rdann(str(mitdb / "100"), "atr")
    beats = ours.sample[np.array(ours.symbol) != "+"]
    truth = theirs.sample[[symbol in "NLRejAaJSVEFQ/f" for symbol in theirs.symbol]]
    after = np.searchsorted(beats, truth).clip(1, len(beats) - 1)
    nearest = np.minimum(np.abs(beats[after] - truth), np.abs(beats[after - 1] - truth))
    assert (nearest <= 0.15 * 360).mean() > 0.99


def test_records_are_found_through_the_environment(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mitdb").symlink_to(toy_record.parent)
    assert ecg_edge("replay", "toy", "--json", ECG_EDGE_DATA=str(tmp_path / "data")).returncode == 0
