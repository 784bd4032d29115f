from __future__ import annotations

import getpass
import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb

from benchmarks import common, rpeaks, variants
from benchmarks.pipeline import Timed
from training import ec57
from training.evaluate import read_annotations

FS_HZ = 360


@pytest.fixture
def record(tmp_path: Path, toy_ecg) -> Path:
    """A minute of ECG as a record of two leads, with some beats annotated."""
    mv = np.repeat(toy_ecg[: 60 * FS_HZ], 2, axis=1).astype(float)
    leads = {"units": ["mV"] * 2, "sig_name": ["V1", "MLII"], "fmt": ["16"] * 2, "adc_gain": [200.0] * 2}
    wfdb.wrsamp("900", fs=FS_HZ, p_signal=mv, baseline=[0, 0], write_dir=str(tmp_path), **leads)
    wfdb.wrann("900", "atr", np.array([360, 3600, 7200]), symbol=["N", "+", "V"], write_dir=str(tmp_path))
    return tmp_path / "900"


def test_a_child_process_is_measured():
    waste = "import time; start = time.process_time()\nwhile time.process_time() < start + 0.2: pass\nprint('done')"
    run = common.run([sys.executable, "-c", waste + "; x = bytearray(80_000_000)"])
    assert run.output == "done\n"
    assert run.seconds >= run.cpu_seconds * 0.9
    assert run.cpu_seconds >= 0.2
    assert run.peak_mb > 76


def test_a_child_that_fails_ends_the_benchmark():
    with pytest.raises(SystemExit, match="ended with 3"):
        common.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_results_are_written_without_names_of_host_user_or_folders(tmp_path, capsys):
    common.write(tmp_path / "out", "demo", ["# Title", "Text."], figures={"x": 1.5}, facts=common.machine("wfdb"))
    text = (tmp_path / "out" / "demo.md").read_text()
    facts = json.loads((tmp_path / "out" / "demo.json").read_text())
    assert text.startswith("# Title\n\nMeasured with `python -m benchmarks.demo` on one core of ")
    assert capsys.readouterr().out == text
    assert facts["x"] == 1.5
    assert facts["machine"]["versions"]["numpy"] == np.__version__
    for secret in (socket.gethostname(), getpass.getuser(), str(tmp_path), str(common.REPO)):
        assert secret not in text.split()
        assert f'"{secret}' not in json.dumps(facts)


def test_tables_are_markdown():
    assert common.table(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | --: |\n| x | 1 |"


@pytest.mark.parametrize("name", ["ecg-edge, two leads", "ecg-edge, one lead", "sleepecg"])
def test_detectors_find_the_beats_of_a_minute(record, name):
    found = rpeaks.detect(name, record.parent, ("900",), repeats=2)
    assert 80 < len(found.peaks["900"]) < 130
    assert len(found.seconds["900"]) == 2
    assert found.lead_samples == 60 * FS_HZ * (2 if "two" in name else 1)
    assert (len(found.delays) > 0) == name.startswith("ecg-edge")


def test_blocks_of_any_size_find_the_same(record):
    whole, pieces = (rpeaks.detect(name, record.parent, ("900",), 1) for name in list(rpeaks.OURS)[:2])
    assert (whole.peaks, whole.delays) == (pieces.peaks, pieces.delays)


@pytest.mark.parametrize("name", list(variants.CHANGES))
def test_variants_keep_beats_where_they_are(record, tmp_path, name):
    out = tmp_path / "changed"
    out.mkdir()
    variants.write_changed(name, record, out)
    _, fs_hz, only = variants.CHANGES[name]
    changed = wfdb.rdrecord(str(out / "900"))
    samples, symbols = read_annotations(out / "900.atr")
    assert (changed.fs, changed.sig_name) == (fs_hz, ["V1", "MLII"] if only is None else [only])
    assert symbols == ["N", "V"]
    assert samples.tolist() == [fs_hz, 20 * fs_hz]
    original = wfdb.rdrecord(str(record)).p_signal[:: FS_HZ // 2]
    seconds = np.arange(len(original)) / 2
    at = np.rint(seconds[4:-4] * fs_hz).astype(int)
    factor = {"both leads inverted": -1, "gain 0.7": 0.7, "gain 1.3": 1.3}.get(name, 1)
    assert changed.p_signal[at, -1] == pytest.approx(factor * original[4:-4, 1], abs=0.15 if fs_hz < FS_HZ else 0.02)


def test_a_timed_stage_does_what_the_stage_does():
    class Twice:
        def push(self, message):
            yield message
            yield message

        def flush(self):
            return ("rest",)

        def reset(self):
            raise RuntimeError("was reset")

    stage = Timed(Twice())
    assert (stage.name, list(stage.push("a")), list(stage.flush())) == ("Twice", ["a", "a"], ["rest"])
    assert stage.seconds > 0
    with pytest.raises(RuntimeError, match="was reset"):
        stage.reset()


def test_figures_of_detectors_come_from_the_scorer(record):
    found = rpeaks.Detected({"900": [361, 5000]}, {"900": [0.5, 0.1, 0.2]}, 1000, [36, 72], 1.0)
    figures = rpeaks._figures(found, record.parent)
    assert (figures["missed"], figures["extra"], figures["se"]) == (1, 1, 0.5)
    assert figures["ns_per_lead_sample"] == pytest.approx(1e9 * 0.2 / 1000)
    assert figures["delay_ms"]["max"] == 200
    assert ec57.WINDOW_MS == 150
