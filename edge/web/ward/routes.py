"""Where browsers find the ward: its page, its events, its samples, and how an alert is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import msgspec
from fastapi import APIRouter, HTTPException, Path, Request, Response, WebSocket
from pydantic import BaseModel, Field
from starlette.websockets import WebSocketDisconnect

from edge.web.pages import page
from edge.web.problems import EVERYWHERE, problems
from edge.web.ward.bed import Bed
from edge.web.ward.clients import Lost, WaveClient
from edge.web.ward.hub import AcknowledgeError, Hub
from edge.web.ward.stream import EventStream

router = APIRouter(responses=EVERYWHERE)

TRY_AGAIN_LATER, ANOTHER_RUN = 1013, 4000
"""Closes a WebSocket whose browser cannot keep up; or one that knows the beds of an earlier run of the server."""

_PATIENCE_S = 10.0

Device = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Device id.")]
AlertId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,128}$", description="Id of the alert.")]


class Seen(BaseModel):
    """Who says to have seen an alert: a role or a place, never a patient."""

    by: str = Field("ward page", min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")


def hub_of(request: Request | WebSocket) -> Hub:
    """Return the application's ward."""
    hub: Hub = request.app.state.hub
    return hub


def bed_of(request: Request, device: str) -> Bed:
    """Return a bed; 404 if nothing was ever heard of it."""
    bed = hub_of(request).ward.beds.get(device)
    if bed is None:
        raise HTTPException(404, "no such device has been heard of")
    return bed


@router.get("/", include_in_schema=False)
def ward_page(request: Request) -> Response:
    """Show the ward."""
    return page(request, "ward.html")


@router.get("/ward/events", include_in_schema=False)
def ward_events(request: Request) -> Response:
    """Tell a browser what changes, as server-sent events."""
    return EventStream(hub_of(request))


@router.websocket("/ward/waves")
async def ward_waves(socket: WebSocket, run: str = "") -> None:
    """Send a browser the samples; it may name the beds that it shows."""
    await socket.accept()
    hub = hub_of(socket)
    if run != hub.run:
        await socket.close(ANOTHER_RUN, "the server has been started anew")
        return
    client = hub.join_waves()
    listening = asyncio.create_task(_listen(socket, client))
    try:
        while (taken := await client.take()) is not None:
            await asyncio.wait_for(_give(socket, taken), _PATIENCE_S)
        if client.hopeless:
            hub.sent_away += 1
            await socket.close(TRY_AGAIN_LATER, "this browser does not keep up")
    except TimeoutError:
        hub.sent_away += 1
    except (WebSocketDisconnect, RuntimeError):  # gone, or going
        pass
    finally:
        hub.waves.discard(client)
        listening.cancel()


async def _give(socket: WebSocket, taken: Lost | bytes) -> None:
    if isinstance(taken, Lost):
        await socket.send_text(msgspec.json.encode(taken).decode())
    else:
        await socket.send_bytes(taken)


class _Choice(msgspec.Struct, frozen=True):
    beds: Annotated[frozenset[int], msgspec.Meta(max_length=256)] | None


async def _listen(socket: WebSocket, client: WaveClient) -> None:
    """Take the browser's choice of beds, until it leaves."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, KeyError):
        while True:
            with contextlib.suppress(msgspec.DecodeError):
                client.beds = msgspec.json.decode(await socket.receive_text(), type=_Choice).beds
    client.close()


@router.post(
    "/api/v1/devices/{device}/alerts/{alert}/acknowledge",
    tags=["ward"],
    status_code=204,
    responses=problems(409),
)
async def acknowledge(request: Request, device: Device, alert: AlertId, seen: Seen) -> Response:
    """Say that somebody has seen an alert; done when its device knows."""
    try:
        await hub_of(request).acknowledge(bed_of(request, device), alert, seen.by)
    except AcknowledgeError as error:
        raise HTTPException(409, str(error)) from None
    return Response(status_code=204)
