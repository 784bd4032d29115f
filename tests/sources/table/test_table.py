"""Tables as tools, wearables and people write them: what is read, what is found out, what is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sources.read_as import ReadAs
from edge.sources.table import open_table

FS = 250
Write = Callable[[str], Path]


def ecg(seconds: float = 12, fs_hz: float = FS, lead: int = 0) -> NDArray[np.float64]:
    """An ECG in mV: P, QRS and T waves at 75 a minute."""
    t = np.arange(round(seconds * fs_hz)) / fs_hz % 0.8
    waves = ((0.20, 0.025, 0.12), (0.36, 0.008, -0.1), (0.38, 0.010, 1.1), (0.40, 0.008, -0.25), (0.65, 0.05, 0.3))
    mv = sum(a * np.exp(-(((t - at) / w) ** 2)) for at, w, a in waves)
    rng = np.random.default_rng(lead)
    return np.asarray(mv * (1.0, -0.6)[lead] + rng.normal(0, 0.005, len(t)))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return file


def read(path: Path, n: int = 1000, **said: object) -> tuple[Stream, NDArray[np.float64], list[Gap]]:
    recording = open_table(path, ReadAs(**said))  # type: ignore[arg-type]
    messages = list(recording.blocks(n))
    samples = [m for m in messages if isinstance(m, Samples)]
    end = 0
    for message in messages:
        assert message.start == end
        end = message.end if isinstance(message, Samples) else message.start + message.n
    return recording.stream, np.concatenate([m.mv for m in samples]), [m for m in messages if isinstance(m, Gap)]


def rows(*columns: NDArray[np.float64] | list[str], sep: str = ",", form: str = "%.4f") -> str:
    cells = [c if isinstance(c, list) else [form % v for v in c] for c in columns]
    return "\n".join(sep.join(row) for row in zip(*cells, strict=True)) + "\n"


A, B = ecg(), ecg(lead=1)
T = np.arange(len(A)) / FS
COMMA = [f"{v:.4f}".replace(".", ",") for v in A]
COMMA_T = [f"{v:.3f}".replace(".", ",") for v in T]
ISO = [(datetime(2026, 3, 1, 23, 59, 55) + timedelta(seconds=float(s))).isoformat(timespec="milliseconds") for s in T]
CLOCK = [text[11:] for text in ISO]

FORMS: dict[str, tuple[str, int]] = {
    "seconds, named": ("time_s,II (mV),V1 (mV)\n" + rows(T, A, B), 2),
    "seconds, quoted names": ('"time","II","V1"\n' + rows(T, A, B), 2),
    "milliseconds": ("time_ms;II;V1\n" + rows(T * 1000, A, B, sep=";"), 2),
    "milliseconds in brackets": ("t [ms]\tII [mV]\n" + rows(T * 1000, A, sep="\t"), 1),
    "microseconds": ("t_us,II_uv\n" + rows(T * 1e6, A * 1000, form="%.0f"), 1),
    "time of no name": (rows(T, A, B), 2),
    "milliseconds of no name": (rows(T * 1000, A, form="%.3f"), 1),
    "decimal commas": ("Zeit;II;V1\n" + rows(COMMA_T, COMMA, COMMA, sep=";"), 1),
    "decimal commas, tabs": (rows(COMMA_T, COMMA, sep="\t"), 1),
    "quoted decimal commas": (
        "time_s,II\n" + rows([f'"{v}"' for v in COMMA_T], [f'"{v}"' for v in COMMA]),
        1,
    ),
    "a clock": ("time,II\n" + rows(CLOCK, A), 1),
    "dates": ("timestamp,II\n" + rows(ISO, A), 1),
    "dates with a zone": ("timestamp,II\n" + rows([f"{v}Z" for v in ISO], A), 1),
    "blanks": (rows(T, A, B, sep="   "), 2),
    "a blank before each": (" " + rows(T, A, B, sep=", "), 2),
    "bars": ("time|II|V1\n" + rows(T, A, B, sep="|"), 2),
    "comments": ("# made by hand\n# time_s,II\n" + rows(T, A), 1),
    "a separator at the end": ("time,II,\n" + rows(T, A).replace("\n", ",\n"), 1),
    "old line ends": (("time,II\n" + rows(T, A)).replace("\n", "\r"), 1),
    "mixed line ends": (("time,II\r\n" + rows(T[:700], A[:700]).replace("\n", "\r\n") + rows(T[700:], A[700:])), 1),
    "a byte order mark": ("\ufefftime,II\n" + rows(T, A), 1),
    "blank lines": ("\n\ntime,II\n\n" + rows(T, A) + "\n\n", 1),
    "1970": ("time,II\n" + rows(T + 1_770_000_000, A, form="%.4f"), 1),
}


@pytest.mark.parametrize("case", FORMS)
def test_whatever_way_it_is_written(write: Write, case: str) -> None:
    text, n_leads = FORMS[case]
    stream, mv, gaps = read(write(text))
    assert stream.fs_hz == FS
    assert mv.shape == (len(A), n_leads), stream
    assert gaps == []
    np.testing.assert_allclose(mv[:, 0], A, atol=0.002)
    assert any("250 samples a second" in note for note in stream.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_whatever_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(("Zeit (s),Straße (µV)\n" + rows(T, A * 1000)).encode(encoding))
    stream, mv, _ = read(path)
    assert stream.leads == ("Straße",)
    np.testing.assert_allclose(mv[:, 0], A, atol=0.001)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_for_each_letter_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(("time,II (mV)\n" + rows(T, A)).encode(encoding))
    stream, mv, _ = read(path)
    assert (stream.fs_hz, stream.leads) == (FS, ("II",))
    np.testing.assert_allclose(mv[:, 0], A, atol=0.001)


@pytest.mark.parametrize(("decimal", "thousands"), [(",", "."), (".", ","), (",", "")])
def test_thousands_that_are_set_apart(write: Write, decimal: str, thousands: str) -> None:
    def written(value: float, form: str) -> str:
        return f"{value:{form}}".translate(str.maketrans({",": thousands, ".": decimal}))

    tens_of_nv = [f'"{written(v * 1e5, ",.1f")}"' for v in A]
    text = "time;x [nV]\n" + rows([written(t, ".4f") for t in T], tens_of_nv, sep=";")
    _, mv, _ = read(write(text))
    np.testing.assert_allclose(mv[:, 0], A / 10, atol=0.001)


def test_one_column_s_thousands_are_not_another_s_decimals(write: Write) -> None:
    values = [f"{v * 1e4:,.1f}".translate(str.maketrans(",.", ".,")) for v in A]
    stream, mv, _ = read(write("time;x [uV]\n" + rows([f"{t:.4f}" for t in T], values, sep=";")))
    assert stream.fs_hz == FS
    np.testing.assert_allclose(mv[:, 0], 10 * A, atol=0.001)


NOON = datetime(2026, 12, 3, 11, 59, 58)
HALVES = [NOON + timedelta(seconds=float(s)) for s in T]


@pytest.mark.parametrize(
    ("day", "clock", "start"),
    [
        ("%d.%m.%Y", "%H:%M:%S.%f", NOON),
        ("%Y-%m-%d", "%H:%M:%S.%f", NOON),
        ("%m/%d/%Y", "%I:%M:%S.%f %p", NOON),
        ("", "%I:%M:%S.%f %p", None),
        ("", "%m/%d/%Y %I:%M:%S.%f %p", NOON),
        ("", "%d/%m/%Y %H:%M:%S.%f", NOON),
    ],
)
def test_days_beside_a_clock_and_clocks_of_twelve_hours(
    write: Write, day: str, clock: str, start: datetime | None
) -> None:
    columns = [[when.strftime(form) for when in HALVES] for form in (day, clock) if form]
    names = ",".join(["day", "time"][-len(columns) :])
    stream, mv, gaps = read(write(f"{names},II (mV)\n" + rows(*columns, A)))
    assert (stream.fs_hz, stream.leads, gaps) == (FS, ("II",), [])
    np.testing.assert_allclose(mv[:, 0], A, atol=0.001)
    assert (stream.start_time if stream.dated else None) == (None if start is None else start.replace(tzinfo=UTC))
    assert not [note for note in stream.notes if "left out" in note]


def test_names_and_units_are_taken_from_the_header(write: Write) -> None:
    stream, mv, _ = read(write("time [s],V1 [µV],II [mV],HR [bpm]\n" + rows(T, B * 1000, A, 75 + 0 * A)))
    assert stream.leads == ("V1", "II")
    np.testing.assert_allclose(mv, np.stack([B, A], axis=1), atol=0.001)
    assert any(note.startswith("HR is left out") for note in stream.notes)


def test_dates_say_when_it_began(write: Write) -> None:
    for text in (FORMS["dates"][0], FORMS["dates with a zone"][0]):
        stream, _, _ = read(write(text))
        assert stream.dated
        assert stream.start_time == datetime(2026, 3, 1, 23, 59, 55, tzinfo=UTC)
    assert not read(write(FORMS["a clock"][0]))[0].dated
    stream, _, _ = read(write(FORMS["1970"][0]))
    assert stream.start_time.year == 2026


def test_without_time_the_rate_is_asked_for(write: Write) -> None:
    path = write("MLII,V5\n" + rows(A, B))
    with pytest.raises(SourceError, match=r"table of 2 columns \(MLII, V5\) and no time.*--rate"):
        open_table(path)
    stream, mv, _ = read(path, fs_hz=FS)
    assert (stream.fs_hz, stream.leads) == (250, ("MLII", "V5"))
    np.testing.assert_allclose(mv[:, 1], B, atol=0.001)


def test_sample_numbers_are_no_rate_but_show_gaps(write: Write) -> None:
    number = np.arange(len(A), dtype=float)
    number[1000:] += 500
    path = write("n,II\n" + rows([f"{v:.0f}" for v in number], A))
    with pytest.raises(SourceError, match="with sample numbers; nothing says its rate"):
        open_table(path)
    stream, mv, gaps = read(path, fs_hz=FS)
    assert [(gap.start, gap.n) for gap in gaps] == [(1000, 500)]
    assert len(mv) == len(A)
    assert stream.leads == ("II",)


@pytest.mark.parametrize("block", [7, 1000, 10**6])
def test_gaps_are_where_the_time_jumps(write: Write, block: int) -> None:
    t = T.copy()
    t[500:] += 2.0
    t[2000:] += 0.1
    text = "time,II\n" + rows(np.round(t, 3), A)
    _, mv, gaps = read(write(text), block)
    assert [(gap.start, gap.n) for gap in gaps] == [(500, 500), (2500, 25)]
    np.testing.assert_allclose(mv[:, 0], A, atol=0.001)


def test_jitter_and_stamps_out_of_line_are_no_gaps(write: Write) -> None:
    rng = np.random.default_rng(0)
    t = T + rng.uniform(-0.0015, 0.0015, len(T))
    t[700], t[1200], t[1500] = 0, 1e5, t[1499]
    stream, mv, gaps = read(write("time,II\n" + rows(t, A)))
    assert gaps == []
    assert stream.fs_hz == FS
    assert len(mv) == len(A)


def test_rounded_times_of_an_odd_rate(write: Write) -> None:
    for fs_hz in (128, 130, 360, 512):
        mv = ecg(20, fs_hz)
        ms = np.round(np.arange(len(mv)) * 1000 / fs_hz)
        stream, _, gaps = read(write("ms,II\n" + rows([f"{v:.0f}" for v in ms], mv)))
        assert stream.fs_hz == fs_hz
        assert gaps == []


def test_missing_cells_are_missing_samples(write: Write) -> None:
    cells = [f"{v:.4f}" for v in A]
    cells[100:110] = ["", "NaN", "nan", "-", "NA", "null", "xyz", "", "inf", "1e999"]
    _, mv, _ = read(write("time,II,V1\n" + rows(T, cells, B)))
    assert np.isnan(mv[100:110, 0]).all()
    assert np.isfinite(np.delete(mv, np.s_[100:110], axis=0)).all()
    assert np.isfinite(mv[:, 1]).all()


def test_the_kaggle_form_of_mitbih(write: Write) -> None:
    def adc(mv: NDArray[np.float64]) -> list[str]:
        return [f"{v:.0f}" for v in np.round(mv * 200 + 1024)]

    a, b = ecg(12, 360), ecg(12, 360, lead=1)
    text = "'sample #','MLII','V5'\n" + rows([str(i) for i in range(len(a))], adc(a), adc(b))
    stream, mv, _ = read(write(text, "100.csv"))  # type: ignore[call-arg]
    assert (stream.fs_hz, stream.leads) == (360, ("MLII", "V5"))
    np.testing.assert_allclose(mv[:, 0], a, atol=0.003)
    assert any("200 ADC units per mV" in note for note in stream.notes)


APPLE = """\
{name},Jane Doe
{birth},"1 Jan 1970"
{date},2024-03-07 10:12:22 +0100
{kind},{rhythm}
{symptoms},
{software},"1,90"
{device},"Watch6,2"
{rate},512 {hertz}


{lead},{lead_i}
{unit},µV

"""
ENGLISH = {
    "name": "Name",
    "birth": "Date of Birth",
    "date": "Recorded Date",
    "kind": "Classification",
    "rhythm": "Sinus Rhythm",
    "symptoms": "Symptoms",
    "software": "Software Version",
    "device": "Device",
    "rate": "Sample Rate",
    "hertz": "hertz",
    "lead": "Lead",
    "lead_i": "Lead I",
    "unit": "Unit",
}
GERMAN = {
    **ENGLISH,
    "birth": "Geburtsdatum",
    "date": "Aufzeichnungsdatum",
    "kind": "Klassifizierung",
    "rhythm": "Sinusrhythmus",
    "software": "Softwareversion",
    "rate": "Messrate",
    "hertz": "Hertz",
    "lead": "Ableitung",
    "lead_i": "Ableitung I",
    "unit": "Einheit",
}


@pytest.mark.parametrize("words", [ENGLISH, GERMAN], ids=["English", "German"])
@pytest.mark.parametrize("decimal", [".", ",", '","'], ids=["points", "commas", "quoted commas"])
def test_a_watch_s_export(write: Write, words: dict[str, str], decimal: str) -> None:
    a = ecg(30, 512)
    values = [f"{v * 1000:.3f}" for v in a]
    if decimal != ".":
        quote = '"' if '"' in decimal else ""
        values = [f"{quote}{v.replace('.', ',')}{quote}" for v in values]
    stream, mv, _ = read(write(APPLE.format(**words) + "\n".join(values) + "\n"))
    assert (stream.fs_hz, stream.leads) == (512, ("I",))
    assert stream.start_time == datetime(2024, 3, 7, 9, 12, 22, tzinfo=UTC)
    np.testing.assert_allclose(mv[:, 0], a, atol=0.001)
    assert "Doe" not in repr(stream)


def test_a_chest_strap_s_log(write: Write) -> None:
    a = ecg(30, 130)
    ns = 599_616_000_123_456_789 + np.round(np.arange(len(a)) * 1e9 / 130).astype(np.int64)
    # The phone writes a packet of 73 samples at a time.
    phone = [(datetime(2022, 8, 1, 12) + timedelta(seconds=(i // 73) * 73 / 130)).isoformat() for i in range(len(a))]
    phone = [p if "." in p else f"{p}.000000" for p in phone]
    ms = np.arange(len(a)) * 1000 / 130
    text = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n" + rows(
        phone, [str(v) for v in ns], [f"{v:.1f}" for v in ms], [f"{v * 1000:.0f}" for v in a], sep=";"
    )
    stream, mv, gaps = read(write(text))
    assert (stream.fs_hz, stream.leads, gaps) == (130, ("ecg",), [])
    np.testing.assert_allclose(mv[:, 0], a, atol=0.001)


@pytest.mark.parametrize("end", ["", "\t"])
def test_an_opensignals_file(write: Write, end: str) -> None:
    a = ecg(12, 1000)
    counts = np.round(a * 1e-3 * 1100 / 3.3 * 1024 + 512)
    header = (
        '# OpenSignals Text File Format. Version 1\n# {"98:D3:81:FD:62:0A": {"position": 0, "device": "bitalino_rev", '
        '"device name": "98:D3", "sensor": ["ECG"], "column": ["nSeq", "I1", "I2", "O1", "O2", "A1"], '
        '"sampling rate": 1000, "resolution": [4, 1, 1, 1, 1, 10], "channels": [1], "date": "2023-5-2", '
        '"time": "11:22:33.444"}}\n# EndOfHeader\n'
    )
    seq = [str(i % 16) for i in range(len(a))]
    zero = ["0"] * len(a)
    text = rows(seq, zero, zero, zero, zero, [f"{v:.0f}{end}" for v in counts], sep="\t")
    stream, mv, _ = read(write(header + text))
    assert (stream.fs_hz, stream.leads) == (1000, ("ECG",))
    np.testing.assert_allclose(mv[:, 0], a, atol=0.003)


def test_an_openbci_recording(write: Write) -> None:
    a, b = ecg(20, 250), ecg(20, 250, lead=1)
    n = len(a)
    header = (
        "%OpenBCI Raw EXG Data\n%Number of channels = 4\n%Sample Rate = 250 Hz\n%Board = OpenBCI_GUI$BoardCytonSerial\n"
        "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Timestamp, Timestamp (Formatted)\n"
    )
    stamp = 1_700_000_000 + np.repeat(np.arange(0, n, 10), 10)[:n] / 250
    text = header + rows(
        [str(float(i % 256)) for i in range(n)],
        a * 1000 - 12_345.6,
        b * 1000,
        np.full(n, 0.98),
        stamp,
        [f"2023-11-14 22:13:{20 + i // 250:02}.{i % 250 * 4:03}" for i in range(n)],
        sep=", ",
    )
    stream, mv, gaps = read(write(text, "OpenBCI-RAW.txt"))  # type: ignore[call-arg]
    assert stream.fs_hz == 250
    assert stream.leads == ("EXG Channel 0", "EXG Channel 1")
    assert gaps == []
    np.testing.assert_allclose(mv[:, 0], a - 12.3456, atol=0.001)


RDSAMP = {
    "-v": "   sample #      MLII      V5\n",
    "-v with units": "        Elapsed time      MLII      V5\n       (seconds)      (mV)      (mV)\n",
    "PhysioBank": "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n",
}


@pytest.mark.parametrize("case", RDSAMP)
def test_text_of_rdsamp(write: Write, case: str) -> None:
    n = range(len(A))
    if case == "-v":
        text = rows(
            [str(i) for i in n], [f"{v * 200 + 1024:.0f}" for v in A], [f"{v * 200 + 1024:.0f}" for v in B], sep="\t"
        )
    elif case == "PhysioBank":
        text = rows([f"'{i // 250 // 60}:{i / 250 % 60:06.3f}'" for i in n], A, B)
    else:
        text = rows(T, A, B, sep="\t")
    stream, mv, _ = read(write(RDSAMP[case] + text), fs_hz=360 if case == "-v" else None)
    assert stream.leads == ("MLII", "V5")
    assert stream.fs_hz == (360 if case == "-v" else 250)
    np.testing.assert_allclose(mv[:, 0], A, atol=0.003)


def test_the_log_of_a_sketch(data_dir: Path) -> None:
    path = data_dir / "user_files" / "ad8232_pico.csv"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    stream, mv, gaps = read(path)
    assert stream.fs_hz == 250
    assert mv.shape[1] == 1
    assert gaps == []
    assert any("raw is left out" in note for note in stream.notes)
    assert 0.05 < np.subtract(*np.nanpercentile(mv, [99.5, 0.5])) < 20


def test_counts_of_a_converter_are_guessed_and_it_is_said(write: Write) -> None:
    counts = np.round(A * 1e-3 * 1100 / 3.3 * 4096 + 2048)
    stream, mv, _ = read(write("time,adc\n" + rows(T, [f"{v:.0f}" for v in counts])))
    assert any("ADC counts" in note for note in stream.notes)
    np.testing.assert_allclose(np.ptp(mv), np.ptp(A), rtol=0.05)
    stream, mv, _ = read(write("time,x\n" + rows(T, A * 1000)), unit="uv")
    np.testing.assert_allclose(mv[:, 0], A, atol=0.001)


def test_leads_can_be_named_or_chosen(write: Write) -> None:
    assert read(write("time,a,b\n" + rows(T, A, B)), leads=("b",))[0].leads == ("b",)
    assert read(write(rows(A, B)), leads=("II", "V1"), fs_hz=250)[0].leads == ("II", "V1")
    with pytest.raises(SourceError, match="has no column V9: it has time, a, b"):
        read(write("time,a,b\n" + rows(T, A, B)), leads=("V9",))


def test_fast_tables_are_slowed(write: Write) -> None:
    a = ecg(12, 2000)
    t = np.arange(len(a)) / 2000
    t[8000:] += 1
    stream, mv, gaps = read(write("time,II\n" + rows(t, a)))
    assert stream.fs_hz == 1000
    assert [(gap.start, gap.n) for gap in gaps] == [(4000, 1000)]
    assert len(mv) == len(a) // 2


BAD = {
    "empty": ("", "is empty"),
    "blank": ("\n\n  \n", "is empty"),
    "words": ("dear sir\nplease find enclosed\n", "no rows of numbers"),
    "a web page": ("<!doctype html><html><script>alert(1)</script></html>", "is a web page"),
    "a list in a cell": ('start,signal\n2026-03-01,"[' + ",".join(["12"] * 200) + ']"\n', "a list in one cell"),
    "backwards": ("time,II\n" + rows(T[::-1], A), "its time (time) runs backwards"),
    "one line": ("1" * 2_000_000, "no end of a line"),
    "too slow": ("time,II\n" + rows(np.arange(300) / 20, A[:300]), "20 samples a second"),
    "no ECG": ("time,temp (C)\n" + rows(T, 36 + 0.01 * B), "no ECG among"),
    "too wide": (",".join(["1"] * 5000) + "\n", "columns"),
    "a name with escapes": ("time,\x1b[2Jfoo\n" + rows(T, 0 * A), ""),
    "ten years": ("time,II\n" + rows(np.concatenate([T[:500], T[500:] + 1e9]), A), "ten years"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_says_why_in_a_line(write: Write, case: str) -> None:
    text, expected = BAD[case]
    path = write(text)
    try:
        stream, _, _ = read(path)
    except SourceError as error:
        line = str(error)
        assert expected in line
        assert "\x1b" not in line
        assert len(line) < 500
    else:
        assert expected == ""
        assert stream.leads == ("?[2Jfoo",)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\x89PNG\r\n\x1a\n", "is a picture"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "spreadsheet or office program: save its sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet or office program"),
        (b"PK\x03\x04" + bytes(26) + b"ecg.csv", "is an archive: unpack it"),
        (b"\x1f\x8b", "is an archive"),
        (b"SQLite format 3\0", "is no text"),
        (b"\0\1\2\3", "is no text"),
    ],
)
def test_binary_files_are_no_tables(tmp_path: Path, head: bytes, said: str) -> None:
    (tmp_path / "x.csv").write_bytes(head + bytes(range(256)) * 20)
    with pytest.raises(SourceError, match=re.escape(said)):
        open_table(tmp_path / "x.csv")


def test_any_cut_of_a_table_is_read_or_refused_in_a_line(write: Write) -> None:
    text = "time_s,II (mV),V1 (mV)\n" + rows(T[:300], A[:300], B[:300])
    for n in [*range(0, 80), *range(80, len(text), 977)]:
        try:
            read(write(text[:n]))
        except SourceError as error:
            assert re.search(r"\w", str(error))
