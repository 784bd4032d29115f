"""The ward page beside a real `ecg-edge run`: what it publishes is shown, and what is acknowledged here it knows."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
from broker import Mosquitto
from command import started

CONFIG = """
[device]
id = "bed-7"
[mqtt]
waveform = true
"""


def test_an_alert_of_a_real_device_is_acknowledged_over_the_api(
    mosquitto: Mosquitto, serve, toy_record: Path, tmp_path: Path
) -> None:
    server = serve("--mqtt", mosquitto.url, "--data", tmp_path / "web")
    (tmp_path / "device.toml").write_text(CONFIG)
    line = tmp_path / "board"
    with started("emulate", toy_record, "--link", line), httpx.Client(base_url=server.url, timeout=30) as client:
        until = time.monotonic() + 30
        while not line.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        with started("run", "--port", line, "--mqtt", mosquitto.url, "--config", tmp_path / "device.toml"):
            seen = _acknowledged(client)
        strip = client.get("/api/v1/devices/bed-7/strip.svg")
    assert seen["seen_by"] == "nurses' room"
    assert strip.headers["content-type"] == "image/svg+xml"


def _acknowledged(client: httpx.Client) -> dict[str, object]:
    """Acknowledge alerts as they come, until one is shown as acknowledged; those that come and go may be gone again."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        answer = client.get("/api/v1/devices/bed-7/alerts")
        known = [each["alert"] for each in answer.json()] if answer.status_code == 200 else []
        for alert in known:
            if alert["seen_ms"] is not None:
                return alert
            if alert["until_ms"] is None:
                url = f"/api/v1/devices/bed-7/alerts/{alert['id']}/acknowledge"
                told = client.post(url, json={"by": "nurses' room"})
                assert told.status_code in (204, 409), told.text
        time.sleep(0.2)
    raise AssertionError(known)
