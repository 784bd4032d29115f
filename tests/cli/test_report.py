"""`ecg-edge report` as users run it, on files as they have them."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import numpy as np
from command import Run, write_record
from numpy.typing import NDArray

from edge.findings.schema import schema


def table(path: Path, mv: NDArray[np.float32], fs_hz: int = 360) -> Path:
    rows = "\n".join(f"{i / fs_hz:.5f};{v:.4f}".replace(".", ",") for i, v in enumerate(mv[:, 0]))
    path.write_text(f"Zeit (s);II (mV)\n{rows}\n", encoding="utf-8")
    return path


def test_a_report_of_a_record_and_of_a_table(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    record = write_record(tmp_path, "rec", toy_ecg[: 360 * 30])
    sheet = table(tmp_path / "sheet.csv", toy_ecg[: 360 * 30])
    done = ecg_edge("report", record, sheet, "-o", "out/{name}.html", "-o", "out/{name}.json")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "rec.html",
        "rec.json",
        "sheet.html",
        "sheet.json",
    ]
    one, other = (msgspec.json.decode((tmp_path / "out" / f"{n}.json").read_bytes()) for n in ("rec", "sheet"))
    jsonschema.validate(one, schema())
    assert one["beats"]["sample"] == other["beats"]["sample"]
    assert one["beats"]["label"] == other["beats"]["label"]
    assert "Heart rate" in done.stdout
    assert "out/rec.html written" in done.stderr


def test_findings_for_machines(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    done = ecg_edge("report", write_record(tmp_path, "rec", toy_ecg[: 360 * 20]), "--json")
    assert done.returncode == 0
    jsonschema.validate(msgspec.json.decode(done.stdout), schema())
    assert (tmp_path / "rec.html").is_file()


def test_one_input_that_fails_does_not_stop_the_others(
    ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path
) -> None:
    (tmp_path / "bare.csv").write_text("\n".join(f"{v:.3f}" for v in toy_ecg[:7200, 0]))
    write_record(tmp_path, "rec", toy_ecg[: 360 * 20])
    done = ecg_edge("report", "nosuch", "bare.csv", "rec", "-o", "{name}.html")
    assert done.returncode == 1
    assert "no such record" in done.stderr
    assert "bare.csv: a table of 1 column (column 1) and no time; nothing says its rate" in done.stderr
    assert (tmp_path / "rec.html").is_file()
    again = ecg_edge("report", "bare.csv", "--rate", "360", "--unit", "mv", "--leads", "II")
    assert again.returncode == 0, again.stderr
    assert "(II)" not in again.stdout
    assert "II" in (tmp_path / "bare.html").read_text(encoding="utf-8")


def test_replay_takes_tables_too(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    sheet = table(tmp_path / "sheet.csv", toy_ecg[: 360 * 20])
    done = ecg_edge("replay", sheet, "--json", "--annotations", "out")
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout)["leads"] == ["II"]
    assert (tmp_path / "out" / "sheet.edge").is_file()


def test_exports(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    record = write_record(tmp_path, "rec", toy_ecg[: 360 * 20])
    forms = ("--fhir", "f.json", "--dicom", "d.dcm", "--edf", "e.edf", "--csv", "{name}.csv")
    done = ecg_edge("report", record, *forms)
    assert done.returncode == 0, done.stderr
    made = {"f.json", "d.dcm", "e.edf", "rec.csv", "rec.dat", "rec.hea"}
    assert {p.name for p in tmp_path.iterdir()} == made
    assert ecg_edge("replay", "e.edf", "--json").returncode == 0
    assert ecg_edge("report", record, "nosuch", "--csv", "x.csv").returncode == 2


def test_usage(ecg_edge: Run, tmp_path: Path) -> None:
    for arguments, code, said in (
        (("a", "b", "-o", "x.html"), 2, "{name}"),
        (("a", "-o", "x.doc"), 1, "choose from"),
        (("a", "--unit", "furlong"), 2, "furlong"),
        (("a", "--leads", "a,,b"), 2, "--leads"),
        (("a", "--rate", "0"), 2, "--rate"),
        (("a", "-o", "x.json", "--fhir", "x.json"), 2, "the file of -o already"),
        (("a", "-o", "x.svg", "-o", "./x.svg"), 2, "the file of -o already"),
        (("a", "--edf", "x", "--dicom", "x"), 2, "is the file of --"),
        ((), 2, "INPUT"),
    ):
        done = ecg_edge("report", *arguments)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr


def test_nothing_is_written_over(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    write_record(tmp_path, "rec", toy_ecg[: 360 * 20])
    (tmp_path / "mine.html").write_text("mine")
    done = ecg_edge("report", "rec", "-o", "mine.html")
    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_answers_give_a_triage_note_and_every_beat_is_shown_on_demand(
    ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path
) -> None:
    record = write_record(tmp_path, "rec", toy_ecg[: 360 * 30])
    (tmp_path / "answers.json").write_text('{"pain_now": "yes", "symptoms": {"syncope": "no"}}')
    asked = ("--questionnaire", "answers.json", "--full-disclosure")
    done = ecg_edge("report", record, *asked, "-o", "r.html", "-o", "r.png")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Acute coronary syndrome" in text
    assert "Full disclosure" in text


def test_answers_that_are_none_are_refused_before_anything_is_analysed(ecg_edge: Run, tmp_path: Path) -> None:
    said = {
        "no.json": '{"pain_now": "perhaps"}',
        "other.json": '{"pain": "yes"}',
        "list.json": "[1]",
        "broken.json": "{",
        "latin.json": '{"pain_now": "\xe4"}',
    }
    for name, text in said.items():
        (tmp_path / name).write_bytes(text.encode("latin-1"))
        done = ecg_edge("report", "nosuch", "--questionnaire", name)
        assert done.returncode in {1, 2}
        assert "these are no answers" in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "nosuch" not in done.stderr
    assert not list(tmp_path.glob("*.html"))
