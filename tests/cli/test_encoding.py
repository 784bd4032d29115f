"""Whatever the encoding of a terminal is, what is written arrives, and JSON unchanged."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from command import Run


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["replay", "--help"], ["emulate", "--help"], ["version"], ["doctor"], ["recordings"]],
    ids=" ".join,
)
def test_no_command_stumbles_over_a_character(ecg_edge: Run, arguments: list[str], encoding: str) -> None:
    done = ecg_edge(*arguments, PYTHONIOENCODING=encoding, LANG="C")
    assert done.returncode in (0, 1)
    assert "Unicode" not in done.stderr
    assert done.stdout
    if encoding == "ascii":
        assert done.stdout.isascii()


def test_a_replay_in_ascii_is_readable(ecg_edge: Run, toy_record: Path) -> None:
    done = ecg_edge("replay", toy_record, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert " x real " in done.stdout
    assert "?" not in done.stdout


def test_an_error_in_ascii_is_still_one_line(ecg_edge: Run) -> None:
    done = ecg_edge("replay", "Müller…", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert done.stderr.startswith("ecg-edge: M?ller...: ")


def test_json_is_the_same_in_every_encoding(ecg_edge: Run, tmp_path: Path) -> None:
    (tmp_path / "µ°𝄞").mkdir()
    plain, utf8 = (
        msgspec.json.decode(ecg_edge("doctor", "--data", "µ°𝄞", "--json", PYTHONIOENCODING=encoding).stdout)
        for encoding in ("ascii", "utf-8")
    )
    found = [next(check for check in each["checks"] if check["what"] == "records") for each in (plain, utf8)]
    assert found[0] == found[1]
    assert "µ°𝄞" in found[0]["found"]
