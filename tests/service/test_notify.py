"""sd_notify and the watchdog, told to a real socket."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_manager import Manager

from edge.service.notify import Notifier, _line


def test_ready_is_said_once_and_status_only_when_new(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    for text in ("watching bed-3", "watching bed-3", "no board"):
        notifier.ready(text)
    notifier.status("no board")
    notifier.stopping("stopped")
    manager.wait_for("STOPPING")
    assert manager.of("READY") == ["1"]
    assert manager.of("STATUS") == ["watching bed-3", "no board", "stopped"]


def test_a_reload_is_framed_by_reloading_and_ready(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.reloading()  # nothing to reload before the first READY
    notifier.ready("one")
    notifier.reloading()
    notifier.ready("two")
    manager.wait_for("READY", 2)
    words = [next(iter(words)) for _, words in manager.told]
    assert words == ["READY", "RELOADING", "READY"]
    assert int(manager.of("MONOTONIC_USEC")[0]) > 0


def test_the_watchdog_is_fed_three_times_an_interval_at_most(manager: Manager) -> None:
    now_s = 0.0
    notifier = Notifier(manager.address, 3.0, lambda: now_s)
    for tenth in range(61):
        now_s = tenth / 10
        notifier.alive()
    notifier.stopping("")
    manager.wait_for("STOPPING")
    assert len(manager.of("WATCHDOG")) == 7


def test_an_abstract_address() -> None:
    manager = Manager(f"@ecg-edge-test-{os.getpid()}")
    Notifier.from_environment({"NOTIFY_SOCKET": manager.address}).ready("here")
    assert manager.wait_for("STATUS") == "here"
    manager.close()


@pytest.mark.parametrize(
    ("environment", "fed"),
    [
        ({"WATCHDOG_USEC": "3000000"}, True),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({}, False),
    ],
)
def test_whose_watchdog_it_is(manager: Manager, environment: dict[str, str], fed: bool) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address, **environment})
    notifier.alive()
    notifier.stopping("")
    manager.wait_for("STOPPING")
    assert bool(manager.of("WATCHDOG")) is fed


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        notifier = Notifier.from_environment({**environment, "WATCHDOG_USEC": "1000000"})
        notifier.ready("on")
        notifier.alive()
        notifier.reloading()
        notifier.stopping("off")
        assert notifier.watched is (environment.get("NOTIFY_SOCKET", "").startswith("/"))


@given(st.text())
def test_what_is_said_is_one_line_and_smuggles_in_no_other_word(text: str) -> None:
    assert len(_line(text).splitlines()) <= 1
