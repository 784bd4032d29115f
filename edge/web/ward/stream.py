"""Server-sent events that end when their browser does not take them."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge.web.ward.clients import EventClient
from edge.web.ward.hub import Hub

_PATIENCE_S = 10.0


class EventStream(Response):
    """The ward's events to one browser, until it leaves or cannot keep up."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is to tell."""
        client = self._hub.join_events()
        gone = asyncio.create_task(_until_gone(receive, client))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while taken := await client.take():
                await asyncio.wait_for(_send(send, taken), _PATIENCE_S)
        except TimeoutError:
            self._hub.sent_away += 1
        finally:
            self._hub.events.discard(client)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone
        # Without a last empty body the connection is closed: the browser comes back and is given all of it anew.


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive, client: EventClient) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.close()
