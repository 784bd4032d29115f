"""One page per bed: its last hour, its alerts with their strips, what was said of them."""

from __future__ import annotations

from typing import Literal

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from edge.web.clock import Now
from edge.web.pages import page
from edge.web.problems import EVERYWHERE
from edge.web.ward import strips
from edge.web.ward.alerts import WardAlert
from edge.web.ward.reviews import Review, Reviews
from edge.web.ward.routes import AlertId, Device, bed_of

router = APIRouter(responses=EVERYWHERE)

_SVG = "image/svg+xml"
_STRIP_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LAST_S = 10.0


class Said(BaseModel):
    """What somebody says of an alert."""

    verdict: Literal["confirmed", "false", "seen"]
    by: str = Field("ward page", min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")


class Trend(BaseModel):
    """Heart rate, second by second; null where it was not known."""

    seconds: list[int] = Field(description="Since 1970, by this server's clock.")
    bpm: list[float | None]


class _ReviewedAlert(msgspec.Struct, frozen=True):
    alert: WardAlert
    review: Review | None


def _reviews(request: Request) -> Reviews:
    reviews: Reviews = request.app.state.reviews
    return reviews


@router.get("/beds/{device}", include_in_schema=False)
def bed_page(request: Request, device: Device) -> Response:
    """Show a bed; it may not have said anything yet."""
    return page(request, "bed.html", device=device)


@router.get("/api/v1/devices/{device}/trend", tags=["ward"])
def trend(request: Request, device: Device) -> Trend:
    """Return the heart rate of the last hour."""
    seconds, bpm = bed_of(request, device).trend.points(Now.read().wall_s)
    return Trend(seconds=seconds, bpm=bpm)


@router.get("/api/v1/devices/{device}/alerts", tags=["ward"], response_model=list[dict[str, object]])
def alerts(request: Request, device: Device) -> Response:
    """Return the alerts in force and those that ended lately, the newest first, and what was said of each."""
    told = bed_of(request, device).alerts
    known = sorted((*told.in_force, *told.ended), key=lambda alert: -alert.since_ms)
    said = _reviews(request).of(device, [alert.id for alert in known])
    rows = [_ReviewedAlert(alert, said.get(alert.id)) for alert in known]
    return Response(msgspec.json.encode(rows), media_type="application/json")


@router.post("/api/v1/devices/{device}/alerts/{alert}/review", tags=["ward"], status_code=204)
def review(request: Request, device: Device, alert: AlertId, said: Said) -> Response:
    """Keep what somebody says of an alert after looking at it."""
    if bed_of(request, device).alerts.find(alert) is None:
        raise HTTPException(404, "no such alert is known here")
    _reviews(request).note(device, alert, said.verdict, said.by)
    return Response(status_code=204)


@router.get(
    "/api/v1/devices/{device}/alerts/{alert}/strip.svg",
    tags=["ward"],
    response_class=Response,
    responses={200: {"content": {_SVG: {}}}},
)
def alert_strip(request: Request, device: Device, alert: AlertId) -> Response:
    """Return the signal around an alert's onset, on ECG paper."""
    told = bed_of(request, device).alerts
    found, kept = told.find(alert), told.strip(alert)
    if found is None or kept is None:
        raise HTTPException(404, "no strip of this alert is kept")
    return _drawn(strips.of_alert(found, kept))


@router.get(
    "/api/v1/devices/{device}/strip.svg",
    tags=["ward"],
    response_class=Response,
    responses={200: {"content": {_SVG: {}}}},
)
def last_strip(request: Request, device: Device) -> Response:
    """Return the last ten seconds, on ECG paper."""
    bed = bed_of(request, device)
    last = bed.trace.last()
    if last is None or bed.heard is None:
        raise HTTPException(404, "no samples of this device are known")
    trace = bed.trace
    mv = strips.millivolts(last[0], len(trace.leads))[-round(_LAST_S * trace.fs_hz) :]
    return _drawn(strips.of_samples(mv, trace.fs_hz, trace.leads, bed.heard.wall_ms))


def _drawn(svg: str) -> Response:
    return Response(svg, media_type=_SVG, headers={"Content-Security-Policy": _STRIP_POLICY})
