"""Noise at a chosen ratio: by its own definition, and against the noisy records of the Noise Stress Test Database."""

from __future__ import annotations

import numpy as np
import pytest
import wfdb
from typer.testing import CliRunner

from edge.errors import EcgEdgeError
from training import noise
from training.cli import app

FS_HZ = 360.0


@pytest.fixture
def beats():
    return np.arange(400, 400 + 600 * 300, 300)


@pytest.fixture
def ecg(beats):
    """Triangles of 1 mV, and another lead of half of it, ten minutes."""
    lead = np.zeros(int(600 * FS_HZ))
    for beat in beats:
        lead[beat - 5 : beat + 6] = np.interp(np.arange(-5, 6), [-5, 0, 5], [0, 1, 0])
    return np.stack([lead, lead / 2], axis=1)


@pytest.mark.parametrize("snr_db", [24.0, 6.0, 0.0, -6.0])
def test_the_ratio_is_what_was_asked_for_in_each_lead(ecg, beats, snr_db):
    rough = np.random.default_rng(1).normal(0, 0.3, (40_000, 1))
    added = noise.noise_like(ecg, beats, rough, fs_hz=FS_HZ, snr_db=snr_db)
    first, last = next(noise.noisy_stretches(len(ecg), FS_HZ))
    for lead in (0, 1):
        signal = noise.signal_power(ecg[:, lead], beats, FS_HZ)
        assert signal == pytest.approx(np.ptp(ecg[:, lead]) ** 2 / 8)
        ratio = 10 * np.log10(signal / noise.noise_power(added[first:last, lead], FS_HZ))
        assert ratio == pytest.approx(snr_db, abs=0.2)


def test_noise_takes_turns_after_five_clean_minutes():
    seconds = [(first / FS_HZ, last / FS_HZ) for first, last in noise.noisy_stretches(int(1805 * FS_HZ), FS_HZ)]
    assert seconds[:2] == [(300, 420), (540, 660)]
    assert seconds[-1] == (1740, 1805)


def test_a_few_loud_seconds_do_not_set_the_level(ecg, beats):
    rough = np.random.default_rng(1).normal(0, 0.3, 108_000)
    before = noise.noise_power(rough, FS_HZ)
    rough[:360] *= 100
    assert noise.noise_power(rough, FS_HZ) == pytest.approx(before, rel=0.02)


def test_too_few_beats_are_no_measure(ecg):
    with pytest.raises(EcgEdgeError, match="has 3 beats, too few"):
        noise.signal_power(ecg[:, 0], np.array([400, 700, 1000]), FS_HZ)


@pytest.mark.parametrize(("name", "snr_db"), [("118e00", 0.0), ("118e_6", -6.0)])
def test_as_much_noise_as_in_the_database_of_noise(mitdb, data_dir, tmp_path, name, snr_db):
    nstdb = data_dir / "nstdb"
    if not nstdb.is_dir():
        pytest.skip(f"needs the Noise Stress Test Database in {nstdb}")
    noise.write_noisy(mitdb / "118", nstdb / "em", snr_db, tmp_path, "made")
    clean = wfdb.rdrecord(str(mitdb / "118"))
    ours = wfdb.rdrecord(str(tmp_path / "made")).p_signal - clean.p_signal
    given = wfdb.rdrecord(str(nstdb / name), physical=False).d_signal / 200 - (clean.p_signal + 1024 / 200)
    first, last = next(noise.noisy_stretches(len(ours), FS_HZ))
    for lead in (0, 1):
        levels = [noise.noise_power(each[first:last, lead], FS_HZ) for each in (ours, given)]
        assert 10 * np.log10(levels[0] / levels[1]) == pytest.approx(0, abs=0.25)
        assert abs(ours[: first - 1, lead]).max() < 0.002


def test_a_table_of_one_ratio(mitdb, data_dir, tmp_path):
    if not (data_dir / "nstdb").is_dir():
        pytest.skip(f"needs the Noise Stress Test Database in {data_dir / 'nstdb'}")
    asked = [
        "noise",
        str(mitdb / "100"),
        "--noise",
        str(data_dir / "nstdb" / "ma"),
        "--snr",
        "24",
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    cells = [cell.strip() for cell in result.stdout.splitlines()[-1].strip("|").split("|")]
    assert cells[0] == "24"
    assert float(cells[1]) > 99
    assert (tmp_path / "100_ma_24.dat").exists()
    missing = CliRunner().invoke(
        app, ["noise", str(mitdb / "100"), "--noise", str(tmp_path / "nothing"), "--snr", "24"]
    )
    assert isinstance(missing.exception, EcgEdgeError)
