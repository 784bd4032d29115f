"""Records as wfdb itself reads them, and every way a record can be broken."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.sources.wfdb_record import WfdbRecord, find_record, open_record


def write(folder: Path, name: str = "r", fmt: str = "16", n: int = 1000, leads: int = 2) -> Path:
    rng = np.random.default_rng(1)
    wfdb.wrsamp(
        name,
        fs=360,
        units=["mV"] * leads,
        sig_name=[f"L{i}" for i in range(leads)],
        p_signal=rng.normal(0, 0.5, (n, leads)).clip(-0.6, 0.6),
        fmt=[fmt] * leads,
        adc_gain=[200.0] * leads,
        baseline=[7] * leads,
        write_dir=str(folder),
    )
    return folder / name


def edit(path: Path, old: str, new: str) -> None:
    header = path.with_suffix(".hea")
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


def samples(record: WfdbRecord, n: int = 333) -> np.ndarray:
    return np.concatenate([block.mv for block in record.blocks(n)])


def restore_as(path: Path, fmt: str) -> None:
    """Store a format 16 record as one of those wfdb reads but does not write."""
    data = path.with_suffix(".dat")
    adc = np.fromfile(data, "<i2")
    {"61": adc.astype(">i2"), "160": (adc.astype(np.int32) + 32768).astype("<u2")}[fmt].tofile(data)
    edit(path, ".dat 16 ", f".dat {fmt} ")


@pytest.mark.parametrize("fmt", ["16", "24", "32", "61", "80", "160", "212"])
@pytest.mark.parametrize("leads", [1, 2, 3])
def test_reads_what_wfdb_reads(tmp_path: Path, fmt: str, leads: int) -> None:
    path = write(tmp_path, fmt="16" if fmt in ("61", "160") else fmt, leads=leads, n=1001)
    if fmt in ("61", "160"):
        restore_as(path, fmt)
    expected = wfdb.rdrecord(str(path)).p_signal
    np.testing.assert_allclose(samples(WfdbRecord(path), 7), expected, atol=1e-6)


@given(n=st.integers(1, 1200))
@settings(max_examples=25, deadline=None)
def test_blocks_do_not_matter(tmp_path_factory: pytest.TempPathFactory, n: int) -> None:
    path = tmp_path_factory.mktemp("blocks") / "r"
    write(path.parent, fmt="212", leads=3, n=1001)
    blocks = list(WfdbRecord(path).blocks(n))
    assert [block.start for block in blocks] == list(range(0, 1001, n))
    np.testing.assert_array_equal(np.concatenate([b.mv for b in blocks]), samples(WfdbRecord(path), 1001))


def test_mit_bih_100(mitdb: Path) -> None:
    record = open_record("100", mitdb)
    assert record.stream.leads == ("MLII", "V5")
    assert record.stream.fs_hz == 360
    assert record.stream.n_samples == 650_000
    assert record.stream.range_mv == ((-5.12, 5.115), (-5.12, 5.115))
    np.testing.assert_allclose(samples(record, 10_000), wfdb.rdrecord(str(mitdb / "100")).p_signal, atol=1e-6)


def test_uncommon_format_is_left_to_wfdb(tmp_path: Path) -> None:
    path = write(tmp_path, fmt="16", leads=1)
    edit(path, "r.dat 16 ", "r.dat 16x2 ")
    edit(path, " 360 1000", " 360 500")
    expected = wfdb.rdrecord(str(path)).p_signal
    np.testing.assert_allclose(samples(WfdbRecord(path)), expected, atol=1e-6)


def test_invalid_samples_are_nan(tmp_path: Path) -> None:
    path = write(tmp_path)
    raw = np.fromfile(path.with_suffix(".dat"), "<i2")
    raw[10:20:2] = -32768
    raw.tofile(path.with_suffix(".dat"))
    mv = samples(WfdbRecord(path))
    assert np.isnan(mv[5:10, 0]).all()
    assert np.isnan(mv).sum() == 5


def test_units_are_brought_to_mv_and_other_signals_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, leads=3)
    mv = samples(WfdbRecord(path))
    header = path.with_suffix(".hea")
    lines = header.read_text().splitlines()
    lines[1] = lines[1].replace("/mV", "/uV")
    lines[2] = lines[2].replace("/mV", "/mmHg")
    header.write_text("\n".join(lines))
    record = WfdbRecord(path)
    assert record.stream.leads == ("L0", "L2")
    np.testing.assert_allclose(samples(record), mv[:, [0, 2]] * [1e-3, 1], rtol=1e-5, atol=1e-9)


def test_start_time_from_the_header(tmp_path: Path) -> None:
    path = write(tmp_path)
    edit(path, " 360 1000", " 360 1000 10:20:30.5 24/12/2020")
    assert WfdbRecord(path).stream.start_time == datetime(2020, 12, 24, 10, 20, 30, 500_000, tzinfo=UTC)


def test_truncated_file_gives_what_it_has_and_then_says_so(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[: 4 * 640 + 1])
    got = []
    with pytest.raises(SourceError, match=r"ends after 640 of 1,000 samples"):
        got.extend(WfdbRecord(path).blocks(300))
    assert sum(len(block.mv) for block in got) == 640


@pytest.mark.parametrize("gain", ["0", "0(7)/mV"])
def test_unknown_gain_is_assumed_and_said(tmp_path: Path, gain: str) -> None:
    path = write(tmp_path, leads=1)
    expected = samples(WfdbRecord(path))
    edit(path, "200.0(7)/mV" if "200.0(7)/mV" in path.with_suffix(".hea").read_text() else "200(7)/mV", gain)
    record = WfdbRecord(path)
    assert "gain of lead L0 is unknown" in record.stream.notes[0]
    np.testing.assert_allclose(np.diff(samples(record), axis=0), np.diff(expected, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (" 360 1000", " 0 1000", "0 samples a second"),
        (" 360 1000", " 2000 1000", "2000 samples a second"),
        (" 360 1000", " -5 1000", "-5 samples a second"),
        ("/mV", "/mmHg", "no usable lead"),
        ("r 2", "r 3", "describes 2"),
        ("r 2 360", "r two 360", "not a WFDB header"),
        ("r.dat", "../r.dat", "not in the record's folder"),
        ("r.dat", "gone.dat", "is missing"),
        ("200", "abc", "gain"),
    ],
)
def test_a_broken_header_is_said_in_one_line(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = write(tmp_path)
    edit(path, old, new)
    with pytest.raises(SourceError, match=reason) as caught:
        samples(WfdbRecord(path))
    assert "\n" not in str(caught.value)


def test_missing_record_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_EDGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SourceError, match="no such record") as caught:
        find_record("nosuch")
    assert str(tmp_path / "data" / "mitdb") in str(caught.value)


def test_a_name_is_looked_up_in_data_then_environment_then_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECG_EDGE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    places = [tmp_path / "cache" / "ecg-edge" / "mitdb", tmp_path / "mitdb", tmp_path / "data"]
    for folder in places:
        folder.mkdir(parents=True)
        write(folder, "900")
        assert find_record("900", tmp_path / "data") == folder / "900"
