"""What the ward page costs: 32 devices with two leads each, in real time, in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import common
from benchmarks.serial import broker
from benchmarks.web_devices import BLOCK, FS_HZ, publishing

DEVICES = 32
TARGET_CPU, TARGET_MB, TARGET_DELAY_S, TARGET_ALERT_MS = 25.0, 150.0, 1.0, 300.0
_WARM_S = 10.0
_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
# Notes, in the page: frames drawn; when each alert's button was there and painted; how old the newest drawn sample is.
_WATCH = """(begun) => {
  const seen = window.seen = {}, delays = window.delays = [];
  window.frames = 0;
  const look = () => {
    for (const button of document.querySelectorAll("button[data-alert]")) {
      const id = button.dataset.alert;
      if (!(id in seen)) { seen[id] = null; requestAnimationFrame(() => { seen[id] = Date.now() / 1000; }); }
    }
  };
  new MutationObserver(look).observe(document.getElementById("beds"), { childList: true, subtree: true });
  const frame = () => { window.frames += 1; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  setInterval(() => {
    for (const element of document.querySelectorAll(".tile")) {
      const { play, fs } = element.tile.sweep;
      if (play !== null && fs) delays.push(Date.now() / 1000 - (begun + (play - BLOCK + 1) / fs));
    }
  }, 500);
}""".replace("BLOCK", str(BLOCK))


@contextmanager
def _served(url: str, folder: str) -> Iterator[tuple[psutil.Process, str]]:
    command = [sys.executable, "-m", "edge.cli.app", "web", "--port", "0", "--mqtt", url, "--data", folder]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=common.REPO) as process:
        try:
            assert process.stderr is not None  # noqa: S101  (given above)
            yield psutil.Process(process.pid), process.stderr.readline().strip()
        finally:
            process.terminate()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(seconds: float, devices: int) -> dict[str, Any]:
    """Return what was measured, once the page has been there for a while."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (of the extra `test`)

    names = [f"bed-{i + 1}" for i in range(devices)]
    with (
        tempfile.TemporaryDirectory() as folder,
        broker() as url,
        _served(url, folder) as (server, page_url),
        publishing(url, names) as sent,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_CHROMIUM))
        page = chromium.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(page_url)
        page.wait_for_selector(f".tile:nth-child({devices})")
        page.evaluate(_WATCH, sent.get(timeout=30))
        page.wait_for_timeout(1000 * _WARM_S)
        page.evaluate("delays.length = 0; frames = 0")
        before, began = _cpu_s(server), time.monotonic()
        since = time.time()
        page.wait_for_timeout(1000 * seconds)
        wall_s = time.monotonic() - began
        cpu_s, rss_mb = _cpu_s(server) - before, server.memory_info().rss / 1e6
        told = page.evaluate("({ frames, delays, seen })")
        chromium.close()
        alerts = [sent.get() for _ in range(sent.qsize())]
    shown = [1000 * (told["seen"][i] - at) for i, at in alerts if at > since and told["seen"].get(i)]
    missed = [i for i, at in alerts if since < at < since + seconds - 1 and not told["seen"].get(i)]
    return {
        "devices": devices,
        "seconds": wall_s,
        "cpu_percent": 100 * cpu_s / wall_s,
        "rss_mb": rss_mb,
        "frames_per_s": told["frames"] / wall_s,
        "delay_s": {"median": float(np.median(told["delays"])), "p99": float(np.percentile(told["delays"], 99))},
        "alerts": len(shown),
        "alerts_missed": len(missed),
        "alert_ms": {"median": float(np.median(shown)), "p99": float(np.percentile(shown, 99))},
    }


def main() -> None:
    """Measure and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=60.0, help="to measure, after the first ten")
    parser.add_argument("--devices", type=int, default=DEVICES)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(common.REPO)
    report(measure(15.0 if arguments.quick else arguments.seconds, arguments.devices), arguments.results)


def report(figures: dict[str, Any], folder: Path) -> None:
    """Write down what was measured."""
    text = [
        "# What the ward page costs",
        f"`ecg-edge web` with {figures['devices']} devices, two leads at {FS_HZ:g} Hz each in blocks of {BLOCK}, rate, "
        f"beats and {figures['alerts']} alerts with their strips, over a real broker, watched by one headless Chromium "
        f"of 1920 × 1080 without a graphics card, for {figures['seconds']:.0f} s after the first {_WARM_S:g}. Devices, "
        "broker, browser and server share the machine. The waveform's delay is from the moment a sample is taken until "
        "it is drawn; an alert's is from publishing it until the browser paints it.",
        common.table(
            ["", "measured", "target"],
            [
                ["server: processor, % of one core", f"{figures['cpu_percent']:.1f}", f"{TARGET_CPU:g}"],
                ["server: resident memory, MB", f"{figures['rss_mb']:.0f}", f"{TARGET_MB:g}"],
                ["browser: frames a second", f"{figures['frames_per_s']:.0f}", "60"],
                ["waveform: delay, s, median (99 %)", _spread(figures["delay_s"], 2), f"{TARGET_DELAY_S:g}"],
                ["alert to pixel: ms, median (99 %)", _spread(figures["alert_ms"], 0), f"{TARGET_ALERT_MS:g}"],
                ["alerts not shown", str(figures["alerts_missed"]), "0"],
            ],
        ),
    ]
    facts = common.machine("fastapi", "uvicorn", "websockets", "paho-mqtt")
    common.write(folder, "web", text, figures=figures, facts=facts)


def _spread(values: dict[str, float], digits: int) -> str:
    return f"{values['median']:.{digits}f} ({values['p99']:.{digits}f})"


if __name__ == "__main__":
    main()
