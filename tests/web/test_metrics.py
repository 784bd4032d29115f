"""What Prometheus is told, and the dashboard that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client import generate_latest
from ward_devices import alert, vitals

from edge.contract import topics
from edge.contract.encoder import encode
from edge.web.analyses.store import Store
from edge.web.clock import Now
from edge.web.database import connect, sqlite_url
from edge.web.metrics import registry
from edge.web.ward.hub import Hub

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "grafana-ward.json"


def test_beds_alerts_and_analyses_are_counted_and_the_dashboard_asks_for_nothing_else(tmp_path: Path) -> None:
    hub, engine = Hub(None), connect(sqlite_url(tmp_path))
    for topic, payload in ((topics.VITALS, vitals("bed-1", hr_bpm=81.0)), (topics.ALERTS, alert("bed-1"))):
        hub.ward.take(topic.of("bed-1"), encode(payload), Now.read())
    told = generate_latest(registry(hub, Store(engine))).decode()
    engine.dispose()
    assert 'ecg_edge_heart_rate{device="bed-1"} 81.0' in told
    assert 'ecg_edge_alerts_in_force{acknowledged="false",device="bed-1",priority="high"} 1.0' in told
    assert 'ecg_edge_analyses{status="queued"} 0.0' in told
    asked = {
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:ecg_edge|process)_\w+", target["expr"])
    }
    assert len(asked) > 5
    assert asked <= set(re.findall(r"^(\w+)(?:\{| )", told, re.MULTILINE))
