"""All that EC57 has disclosed, of small records whose figures are worked out by hand, and of a real one."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from edge.errors import EcgEdgeError
from edge.wfdb_format.annotations import encode_annotations
from training import disclosure
from training.cli import app

FS_HZ = 360


@pytest.fixture
def database(tmp_path):
    folder = tmp_path / "db"
    folder.mkdir()
    return folder


@pytest.fixture
def found(tmp_path):
    folder = tmp_path / "found"
    folder.mkdir()
    return folder


def write(folder, name, symbols, extension, *, notes=(), minutes=10):
    """Write a record's beats, one per second, a symbol each, and rhythm notes (second, note)."""
    (folder / f"{name}.hea").write_text(f"{name} 1 {FS_HZ} {minutes * 60 * FS_HZ}\n{name}.dat 16 200 16 0 0 0 0 MLII\n")
    marks = [((i + 1) * FS_HZ, symbol, "") for i, symbol in enumerate(symbols)]
    marks += [(second * FS_HZ, "+", note) for second, note in notes]
    (folder / f"{name}.{extension}").write_bytes(encode_annotations(sorted(marks), FS_HZ))


def alert(name, number, kind, *seconds):
    onset, decided, end = (*seconds, None)[:3]

    def at(second):
        return None if second is None else {"sample": second * FS_HZ, "time": None}

    line = {
        "id": f"{name}-{number}",
        "stream": name,
        "kind": kind,
        "onset": at(onset),
        "decision": at(decided),
        "end": at(end),
    }
    return json.dumps(line) + "\n"


def figures(made, **options):
    return {figure.name: figure for figure in made.figures(**options)}


def test_gross_average_and_interval_come_from_records(database, found):
    write(database, "a", "V" * 90 + "N" * 10, "atr")
    write(found, "a", "V" * 90 + "N" * 10, "edge")
    write(database, "b", "V" * 10 + "N" * 90, "atr")
    write(found, "b", "N" * 100, "edge")
    se = figures(disclosure.disclose(found, database))["V Se"]
    assert (se.gross, se.average, se.count) == (0.9, 0.5, 100)
    assert se.interval == (0.0, 1.0)


def test_the_learning_time_is_left_out_beside(database, found):
    write(database, "a", "V" + "N" * 400 + "V", "atr")
    write(found, "a", "N" * 402, "edge")
    made = disclosure.disclose(found, database)
    assert figures(made)["V Se"].count == 2
    assert figures(made, after_learning=True)["V Se"].count == 1


def test_episodes_heart_rate_and_paced_records(database, found):
    write(database, "a", "N" * 500, "atr", notes=[(10, "(AFIB"), (110, "(N")])
    write(found, "a", "N" * 500, "edge", notes=[(60, "(AFIB"), (160, "(N")])
    write(database, "102", "/" * 500, "atr")
    write(found, "102", "V" * 500, "edge")
    told = figures(disclosure.disclose(found, database))
    assert told["AF duration Se"].gross == told["AF duration +P"].gross == 0.5
    assert told["AF episodes Se"].gross == 1
    assert told["AF false episodes in 24 h"].gross == 0
    assert told["heart rate, rms error"].gross == 0
    assert told["V +P"].gross is None, "a paced record counts in no class"
    assert told["QRS Se"].count == 1000


def test_alarms_are_right_where_the_reference_says_so(database, found, tmp_path):
    symbols = "N" * 20 + "VVVVVV" + "N" * 474
    write(database, "a", symbols, "atr")
    write(found, "a", symbols, "edge")
    lines = alert("a", 1, "vt", 21, 26) + alert("a", 1, "vt", 21, 30, 26) + alert("a", 2, "vt", 300, 306, 305)
    lines += alert("a", 3, "asystole", 100, 106, 104)
    (tmp_path / "alerts.jsonl").write_text(lines)
    told = figures(disclosure.disclose(found, database, alerts=tmp_path / "alerts.jsonl"))
    per_day = 24 * 60 / 10
    assert told["vt: false alarms in 24 h"].gross == pytest.approx(per_day)
    assert told["asystole: false alarms in 24 h"].gross == pytest.approx(per_day)
    assert told["vt: seconds to alarm"].gross == 5
    assert told["vt: answered within 10 s"].gross == 1
    assert told["v_run: answered within 10 s"].gross == 0


def test_no_beats_between_brackets_are_no_pause(database, found, tmp_path):
    marks = [(s * FS_HZ, "N", "") for s in (1, 2, 3, 30, 31)] + [(4 * FS_HZ, "[", ""), (29 * FS_HZ, "]", "")]
    write(database, "a", "", "atr")
    (database / "a.atr").write_bytes(encode_annotations(sorted(marks), FS_HZ))
    write(found, "a", "NNN", "edge")
    (tmp_path / "alerts.jsonl").write_text("")
    told = figures(disclosure.disclose(found, database, alerts=tmp_path / "alerts.jsonl"))
    assert told["asystole: answered within 10 s"].count == 0
    assert told["vf: answered within 10 s"].count == 1


def test_positive_predictivity_where_v_beats_are_rare(database, found):
    write(database, "a", "V" * 100 + "N" * 300, "atr")
    write(found, "a", "V" * 103 + "N" * 297, "edge")
    made = disclosure.disclose(found, database).figures()
    assert disclosure.low_prevalence(made) == pytest.approx(0.001 / (0.001 + 0.01 * 0.999))
    assert disclosure.low_prevalence([]) is None


def test_what_is_no_file_of_alerts_is_named(database, found, tmp_path):
    write(database, "a", "N", "atr")
    write(found, "a", "N", "edge")
    with pytest.raises(EcgEdgeError, match=r"none\.jsonl"):
        disclosure.disclose(found, database, alerts=tmp_path / "none.jsonl")
    (tmp_path / "x.jsonl").write_text("hello\n")
    with pytest.raises(EcgEdgeError, match="is not what --alerts writes"):
        disclosure.disclose(found, database, alerts=tmp_path / "x.jsonl")


def test_json_and_markdown_tell_the_same(database, found):
    write(database, "a", "NNVN", "atr")
    write(found, "a", "NNVN", "edge")
    made = disclosure.disclose(found, database)
    told = json.loads(made.to_json())
    assert [each["name"] for each in told["figures"]] == [figure.name for figure in made.figures()]
    assert "| V Se | 100.00 | 100.00 | 100.00 – 100.00 | 1 |" in made.to_markdown()


def test_a_database_is_replayed_and_scored(mitdb):
    result = CliRunner().invoke(app, ["evaluate", str(mitdb), "--records", "100", "--json"])
    assert result.exit_code == 0, result.output
    told = {each["name"]: each for each in json.loads(result.stdout)["figures"]}
    assert told["QRS Se"]["count"] == 2273
    assert told["QRS Se"]["gross"] > 0.99
    assert told["heart rate, rms error"]["gross"] < 3
    assert told["vt: false alarms in 24 h"]["gross"] == 0
