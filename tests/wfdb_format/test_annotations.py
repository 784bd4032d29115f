"""Annotation files: what is written is read back, by wfdb as well; what is broken is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wfdb_format.annotations import CODES, Annotation, decode_annotations, encode_annotations

marks = st.tuples(
    st.integers(0, 3_000_000), st.sampled_from(sorted(CODES)), st.text("ABC(xyz ", max_size=9).map(str.strip)
)


@given(st.lists(marks, max_size=30), st.sampled_from([128.0, 250.0, 360.0, 1000.0]))
def test_what_is_written_is_read_back(made: list[Annotation], fs_hz: float) -> None:
    made = sorted(made)
    read = decode_annotations(encode_annotations(made, fs_hz))
    assert list(zip(read.samples.tolist(), read.symbols, read.aux, strict=True)) == made
    assert read.fs_hz == fs_hz


@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.sampled_from("NVSAFQ+")), min_size=1, max_size=20, unique=True))
@settings(max_examples=30, deadline=None)
def test_what_wfdb_writes_is_read(tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, str]]) -> None:
    folder = tmp_path_factory.mktemp("atr")
    made = sorted(made)
    samples = np.array([sample for sample, _ in made])
    wfdb.wrann("r", "atr", samples, symbol=[symbol for _, symbol in made], fs=250, write_dir=str(folder))
    read = decode_annotations((folder / "r.atr").read_bytes())
    assert (read.samples.tolist(), read.symbols, read.fs_hz) == (samples.tolist(), [s for _, s in made], 250)


@pytest.mark.parametrize("pattern", ["mitdb/*.atr", "svdb/*.atr", "vfdb/*.atr", "nsr2db_ann/*.ecg", "qtdb/*.q1c"])
def test_databases_are_read_as_wfdb_reads_them(data_dir: Path, pattern: str) -> None:
    paths = sorted(data_dir.glob(pattern))[:5]
    if not paths:
        pytest.skip(f"needs {data_dir / pattern}")
    for path in paths:
        read, theirs = decode_annotations(path.read_bytes()), wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
        assert read.samples.tolist() == theirs.sample.tolist()
        assert read.symbols == theirs.symbol
        assert read.aux == [aux.rstrip("\0") for aux in theirs.aux_note]


def test_a_resolution_of_its_own_is_brought_to_any_rate() -> None:
    read = decode_annotations(encode_annotations([(1000, "N", ""), (2500, "V", "")], 1000.0))
    assert read.at(250, 250).tolist() == [250, 625]
    assert decode_annotations(b"\x01\x04\0\0").at(500, 250).tolist() == [2]


@pytest.mark.parametrize("raw", [b"", b"\0", b"\x01\x04", b"\0\xec\0\0", b"\xff\xfe\0\0"])
def test_what_was_cut_off_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|end mark"):
        decode_annotations(raw)


@given(st.binary(max_size=300))
def test_whatever_bytes_come_it_is_annotations_or_a_value_error(raw: bytes) -> None:
    try:
        read = decode_annotations(raw)
    except ValueError:
        return
    assert len(read.samples) == len(read.symbols) == len(read.aux)


def test_a_code_without_a_mnemonic_is_no_beat() -> None:
    assert decode_annotations((45 << 10 | 7).to_bytes(2, "little") + b"\0\0").symbols == ["[45]"]
