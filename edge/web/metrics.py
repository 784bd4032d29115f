"""What Prometheus is told: of the ward, of the analyses, of this server."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from edge.web.analyses.store import Store
from edge.web.clock import Now
from edge.web.ward.hub import Hub

router = APIRouter()


class WardMetrics:
    """Counts when asked, nothing in between.

    Parameters
    ----------
    hub, store : Hub, Store
        What is counted.
    """

    def __init__(self, hub: Hub, store: Store) -> None:
        self._hub, self._store = hub, store

    def collect(self) -> Iterator[Metric]:
        """Yield all of it."""
        hub = self._hub
        yield GaugeMetricFamily("ecg_edge_broker_connected", "Whether the broker is there.", hub.connected)
        yield CounterMetricFamily("ecg_edge_messages", "Messages understood.", hub.ward.taken)
        yield CounterMetricFamily("ecg_edge_messages_refused", "Messages not understood.", hub.ward.refused)
        yield GaugeMetricFamily("ecg_edge_browsers", "Browsers that watch the ward.", len(hub.events))
        yield CounterMetricFamily("ecg_edge_browsers_sent_away", "Browsers that did not keep up.", hub.sent_away)
        yield from self._beds()
        analyses = GaugeMetricFamily("ecg_edge_analyses", "Analyses in the history.", labels=["status"])
        for status, n in self._store.counts().items():
            analyses.add_metric([status], n)
        yield analyses

    def _beds(self) -> Iterator[Metric]:
        now = Now.read()
        rate = GaugeMetricFamily("ecg_edge_heart_rate", "Heart rate, 1/min, where it is known.", labels=["device"])
        age = GaugeMetricFamily("ecg_edge_data_age_seconds", "Since data last came.", labels=["device"])
        in_force = GaugeMetricFamily(
            "ecg_edge_alerts_in_force", "Alerts in force.", labels=["device", "priority", "acknowledged"]
        )
        for bed in list(self._hub.ward.beds.values()):
            if bed.heard is None:
                continue
            view, age_s = bed.view(now), now.since(bed.heard)
            age.add_metric([bed.device], age_s)
            if view.hr_bpm is not None:
                rate.add_metric([bed.device], view.hr_bpm)
            for priority in ("high", "medium", "low"):
                for seen in (False, True):
                    n = sum(a.priority == priority and (a.seen_ms is not None) is seen for a in view.alerts)
                    in_force.add_metric([bed.device, priority, str(seen).lower()], n)
        yield from (rate, age, in_force)


def registry(hub: Hub, store: Store) -> CollectorRegistry:
    """Return what `/metrics` tells."""
    out = CollectorRegistry()
    out.register(WardMetrics(hub, store))
    ProcessCollector(registry=out)
    return out


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Tell Prometheus."""
    return Response(generate_latest(request.app.state.metrics), media_type=CONTENT_TYPE_LATEST)
