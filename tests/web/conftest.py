"""Fixtures: the server as users start it, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from broker import MOSQUITTO, Mosquitto
from ward_devices import Devices
from web_server import Server, serving

CHROMIUM = os.environ.get("ECG_EDGE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 15_000
Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server on a free port."""
    with ExitStack() as running:
        yield partial(serving, running)


@pytest.fixture(scope="module")
def running_ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Devices]]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    with ExitStack() as running:
        broker = running.enter_context(Mosquitto(tmp_path_factory.mktemp("broker")).running())
        server = serving(running, "--mqtt", broker.url)
        yield server, running.enter_context(Devices(broker.url, ["bed-1", "bed-2", "bed-10"]))


@pytest.fixture
def ward(running_ward: tuple[Server, Devices]) -> Iterator[tuple[Server, Devices]]:
    """A server with three beds, one for all tests of a module; none in alarm."""
    yield running_ward
    running_ward[1].rest()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A real browser; not for longer than a module, for while it is there no other event loop runs in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield running
        running.close()


@pytest.fixture
def open_page(browser):
    """Open pages, each a browser of its own; whatever goes wrong in one fails the test."""
    errors: list[str] = []
    contexts = []

    def open_(url: str, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not errors
