"""The command line itself: help, exit codes, one line for every error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from command import REPO, Run, environment

from edge import __version__

COMMANDS = ["replay", "run", "demo", "devices", "emulate", "doctor", "version", "recordings"]


def test_help_names_every_command(ecg_edge: Run) -> None:
    done = ecg_edge("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in done.stdout
    assert "Exit codes: 0 done, 1 the work failed" in done.stdout
    assert ecg_edge().returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example_that_parses(ecg_edge: Run, command: str) -> None:
    done = ecg_edge(command, "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    example = text[text.index("Example: ecg-edge ") :].split()[2:]
    assert example[0] == command
    assert ecg_edge(*example, "--help").returncode == 0


def test_help_of_replay_is_complete(ecg_edge: Run) -> None:
    text = ecg_edge("replay", "--help").stdout
    for option in ("--data", "--speed", "--model", "--annotations", "--alerts", "--mqtt", "--config", "--json"):
        assert f"  {option} " in text


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast", ""])
@pytest.mark.parametrize("command", [["replay", "100"], ["demo"]], ids=["replay", "demo"])
def test_a_speed_that_is_none_is_a_usage_error(ecg_edge: Run, command: list[str], speed: str) -> None:
    done = ecg_edge(*command, "--speed", speed)
    assert done.returncode == 2
    assert f"{speed!r} is neither 'max' nor a number above 0" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "100", "--model", "forest"],
        ["replay", "100", "--sped", "1"],
        ["replay", "100", "--block", "0"],
        ["replay", "a/100", "b/100", "--annotations", "out"],
        ["replay", "100", "--mqtt", "localhost"],
        ["replay", "100", "--mqtt", "http://localhost"],
        ["replay", "100", "--mqtt", "mqtt://user:secret@localhost"],
        ["replay", "100", "--mqtt", "mqtt://localhost:99999"],
        ["fly"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_2(ecg_edge: Run, arguments: list[str]) -> None:
    done = ecg_edge(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[model]\nnane = 'cnn'\n", "model.nane"),
        ("[rhythm]\nbradycardia_bpm = 4000\n", "rhythm.bradycardia_bpm"),
        ("[model\n", "c.toml"),
        ("[mqtt]\nurl = 'mqtt://localhost'\npassword_file = 'nosuch'\n", "mqtt.password_file"),
        ("[mqtt]\nurl = 'mqtts://localhost'\nca_file = 'nosuch.pem'\n", "mqtt.ca_file"),
    ],
)
def test_a_configuration_that_cannot_be_used_exits_2(ecg_edge: Run, tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = ecg_edge("replay", "100", "--config", "c.toml")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ecg-edge:")]
    assert line.startswith("ecg-edge: config c.toml: ")
    assert f" {key}: " in f" {line}"
    assert "Traceback" not in done.stderr


def test_an_error_is_a_traceback_only_for_those_who_ask(ecg_edge: Run) -> None:
    plain = ecg_edge("replay", "100", "--config", "nosuch.toml")
    assert plain.stderr == "ecg-edge: config nosuch.toml: No such file or directory\n"
    for done in (
        ecg_edge("--debug", "replay", "100", "--config", "nosuch.toml"),
        ecg_edge("replay", "100", "--config", "nosuch.toml", ECG_EDGE_DEBUG="1"),
    ):
        assert done.returncode != 0
        assert "Traceback" in done.stderr


def test_a_word_of_the_command_line_is_not_blamed_on_the_file(ecg_edge: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    assert ecg_edge("run", "--config", "c.toml", "--rate", "3").stderr == "ecg-edge: --rate: takes 100 to 1000\n"
    done = ecg_edge("replay", "100", "--config", "c.toml", "--mqtt", "http://x")
    assert done.stderr.startswith("ecg-edge: --mqtt: takes mqtt://")


def test_options_begin_at_home_too(ecg_edge: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[modle]\n")
    done = ecg_edge("replay", "~/nosuch", "--config=~/c.toml", HOME=str(tmp_path))
    assert done.stderr.startswith(f"ecg-edge: config {tmp_path / 'c.toml'}: modle: ")
    assert str(tmp_path / "nosuch") in ecg_edge("replay", "~/nosuch", HOME=str(tmp_path)).stderr
    assert ecg_edge("replay", "100", "--config=~nosuchuser/c.toml").returncode == 2


@pytest.mark.parametrize("module", ["edge.cli.app", "training.cli"])
def test_the_version_is_an_option_and_a_shell_completes(tmp_path: Path, module: str) -> None:
    def run(*arguments: str, **env: str) -> str:
        code = f"import sys; sys.argv[0] = 'ecg'; import {module} as cli; cli.main()"
        command = [sys.executable, "-c", code, *arguments]
        here = environment(PYTHONPATH=str(REPO), **env)
        done = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, check=True)
        return done.stdout

    assert run("--version") == f"ecg-edge {__version__}\n"
    assert "--install-completion" in run("--help")
    assert len(run(_ECG_COMPLETE="complete_bash", COMP_WORDS="ecg re", COMP_CWORD="1").split()) >= 1


UNEXPECTED = """
import sys, edge.service.replay
def fail(*a, **k): raise ZeroDivisionError("never\\nthought of")
edge.service.replay.replay_records = fail
sys.argv = ["ecg-edge", "replay", "100"]
from edge.cli.app import main
main()
"""


def test_even_what_nobody_thought_of_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", UNEXPECTED]
    env = environment(PYTHONPATH=str(REPO))
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ("ecg-edge: unexpected ZeroDivisionError: never thought of; ECG_EDGE_DEBUG=1 shows where\n")


def test_version_says_what_runs(ecg_edge: Run) -> None:
    versions = msgspec.json.decode(ecg_edge("version", "--json").stdout)
    assert versions["python"] == sys.version.split()[0]
    assert all(len(sha256) == 64 for sha256 in versions["models"].values())
    text = ecg_edge("version").stdout
    for value in (versions["ecg-edge"], versions["runtime"], *versions["models"].values()):
        assert value in text
