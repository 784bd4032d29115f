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
from edge.messages import Gap, Samples
from edge.sources.wfdb_lookup import find_record
from edge.sources.wfdb_record import WfdbRecord, open_record


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
    return np.concatenate([block.mv for block in record.blocks(n) if isinstance(block, Samples)])


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


def test_several_samples_per_frame_are_at_their_own_rate(tmp_path: Path) -> None:
    path = write(tmp_path, fmt="16", leads=1)
    expected = samples(WfdbRecord(path))
    edit(path, "r.dat 16 ", "r.dat 16x2 ")
    edit(path, " 360 1000", " 180 500")
    record = WfdbRecord(path)
    assert (record.stream.fs_hz, record.stream.n_samples) == (360, 1000)
    np.testing.assert_array_equal(samples(record), expected)


@pytest.mark.parametrize("n", [1, 7, 333, 5000])
@pytest.mark.parametrize("fmt", ["16", "24", "32", "212"])
def test_frames_of_signals_with_rates_of_their_own(tmp_path: Path, fmt: str, n: int) -> None:
    rng = np.random.default_rng(3)
    wfdb.wrsamp(
        "m",
        fs=125,
        units=["mV", "mV", "mmHg"],
        sig_name=["II", "V1", "ABP"],
        e_d_signal=[rng.integers(-900, 900, 125 * 4 * k) for k in (4, 2, 1)],
        samps_per_frame=[4, 2, 1],
        fmt=[fmt] * 3,
        adc_gain=[200.0, 100.0, 10.0],
        baseline=[0, 7, 0],
        write_dir=str(tmp_path),
    )
    theirs = wfdb.rdrecord(str(tmp_path / "m"), smooth_frames=False)
    record = WfdbRecord(tmp_path / "m")
    assert (record.stream.fs_hz, record.stream.leads) == (500, ("II", "V1"))
    ours = samples(record, n)
    np.testing.assert_allclose(ours[:, 0], theirs.e_p_signal[0], atol=1e-5)
    np.testing.assert_allclose(ours[:, 1], np.repeat(theirs.e_p_signal[1], 2), atol=1e-5)


def test_a_signal_that_is_stored_late_is_read_in_time(tmp_path: Path) -> None:
    path = write(tmp_path)
    expected = samples(WfdbRecord(path))
    header = path.with_suffix(".hea")
    lines = header.read_text().splitlines()
    lines[2] = lines[2].replace("r.dat 16 ", "r.dat 16:3 ")
    header.write_text("\n".join(lines))
    late = samples(WfdbRecord(path))
    np.testing.assert_array_equal(late[:, 0], expected[:, 0])
    np.testing.assert_array_equal(late[:-3, 1], expected[3:, 1])
    assert np.isnan(late[-3:, 1]).all()


@pytest.mark.parametrize("gain", ["-200.0(7)/mV", "-200(7)/mV"])
def test_a_negative_gain_turns_a_signal_over(tmp_path: Path, gain: str) -> None:
    path = write(tmp_path, leads=1)
    upright = samples(WfdbRecord(path))
    edit(path, "200.0(7)/mV" if "200.0(7)/mV" in path.with_suffix(".hea").read_text() else "200(7)/mV", gain)
    np.testing.assert_allclose(samples(WfdbRecord(path)), -upright, atol=1e-6)


def segments(folder: Path, layout: bool = True) -> Path:
    """Two segments of 1,000 samples, the second with a lead more, and 500 samples between that were not recorded."""
    write(folder, "s1", leads=1)
    write(folder, "s2", leads=2)
    described = "~ 0 200/mV 16 0 0 0 0 L0\n~ 0 200/mV 16 0 0 0 0 L1\n~ 0 200/mV 16 0 0 0 0 never\n"
    (folder / "layout.hea").write_text("layout 3 360 0\n" + described)
    parts = (["layout 0"] if layout else []) + ["s1 1000", "~ 500", "s2 1000"]
    (folder / "m.hea").write_text(f"m/{len(parts)} 3 360 2500\n" + "\n".join(parts) + "\n")
    return folder / "m"


@pytest.mark.parametrize("n", [7, 333, 100_000])
@pytest.mark.parametrize("layout", [True, False])
def test_segments_are_read_one_after_the_other_each_with_the_leads_it_has(tmp_path: Path, layout: bool, n: int) -> None:
    path = segments(tmp_path, layout)
    record = WfdbRecord(path)
    assert (record.stream.leads, record.stream.n_samples) == (("L0", "L1"), 2500)
    blocks = list(record.blocks(n))
    assert [(b.start, b.n, b.decided) for b in blocks if isinstance(b, Gap)] == [(1000, 500, 1500)]
    first = np.concatenate([b.mv for b in blocks if isinstance(b, Samples) and b.end <= 1000])
    second = np.concatenate([b.mv for b in blocks if isinstance(b, Samples) and b.start >= 1500])
    np.testing.assert_array_equal(first[:, 0], samples(WfdbRecord(tmp_path / "s1"))[:, 0])
    assert np.isnan(first[:, 1]).all()
    np.testing.assert_array_equal(second, samples(WfdbRecord(tmp_path / "s2")))
    assert [b.start for b in blocks] == sorted(b.start for b in blocks)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("m/2 1 360 2000\nm 1000\ns1 1000\n", "made of segments itself"),
        ("m/1 1 360 1000\n../s1 1000\n", "not in the record's folder"),
        ("m/1 1 360 1000\nnosuch 1000\n", "No such file"),
        ("m/2 1 360 1000\ns1 1000\n", "says 2 segments but describes 1"),
        ("m/1 1 360 1000\n~ 1000\n", "no segment with signals"),
        ("m/1 1 250 1000\ns1 1000\n", "has 360 Hz"),
        ("m/900000 1 360 1000\n~ 1000\n", "900,000 segments"),
    ],
)
def test_segments_that_cannot_be(tmp_path: Path, text: str, reason: str) -> None:
    write(tmp_path, "s1", leads=1)
    (tmp_path / "m.hea").write_text(text)
    with pytest.raises(SourceError, match=reason):
        WfdbRecord(tmp_path / "m")


@pytest.mark.parametrize("order", [("MCL1", "RESP"), ("RESP", "MCL1")])
def test_only_ecg_is_read_whatever_stands_beside_it(tmp_path: Path, order: tuple[str, str]) -> None:
    path = write(tmp_path)
    edit(path, " L0", f" {order[0]}")
    edit(path, " L1", f" {order[1]}")
    record = WfdbRecord(path)
    assert record.stream.leads == ("MCL1",)
    assert any("RESP is left out" in note for note in record.stream.notes)
    assert WfdbRecord(path, leads=["resp"]).stream.leads == ("RESP",)
    with pytest.raises(SourceError, match="has no lead V1: it has"):
        WfdbRecord(path, leads=["V1"])


@pytest.mark.parametrize("fmt", ["16", "24", "32", "61", "80", "160", "212"])
def test_the_lowest_value_of_every_format_is_no_value(tmp_path: Path, fmt: str) -> None:
    path = write(tmp_path, fmt="16" if fmt in ("61", "160") else fmt, leads=1)
    if fmt in ("61", "160"):
        restore_as(path, fmt)
    data = path.with_suffix(".dat")
    lowest = {"16": b"\0\x80", "24": b"\0\0\x80", "32": b"\0\0\0\x80", "61": b"\x80\0", "80": b"\0", "160": b"\0\0"}
    lowest["212"] = b"\0\x88\0"
    raw = lowest[fmt] * 40
    data.write_bytes(raw + data.read_bytes()[len(raw) :])
    mv = samples(WfdbRecord(path))
    assert np.isnan(mv[:40]).all()
    assert np.isfinite(mv[80:]).all()


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


def test_a_signal_without_a_name_is_judged_by_how_it_looks(tmp_path: Path, toy_ecg: np.ndarray) -> None:
    slow = np.sin(2 * np.pi * 0.25 * np.arange(60 * 360) / 360)
    for name, mv in (("ecg", toy_ecg[: 60 * 360, 0]), ("slow", slow)):
        wfdb.wrsamp(
            name,
            fs=360,
            units=["mV", "mV"],
            sig_name=["a", "b"],
            p_signal=np.stack([slow, mv], axis=1).astype(np.float64),
            fmt=["16", "16"],
            adc_gain=[1000.0, 1000.0],
            baseline=[0, 0],
            write_dir=str(tmp_path),
        )
        edit(tmp_path / name, " a\n", "\n")
        edit(tmp_path / name, " b\n", "\n")
    assert WfdbRecord(tmp_path / "ecg").stream.leads == ("signal2",)
