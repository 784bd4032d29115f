"""No request is larger than it may be, and none takes for ever."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL_BYTES = 65_536
"""Of everything that is no upload."""


class TooLargeError(Exception):
    """A body is larger than it may be."""


class BodyLimit:
    """Refuses bodies that are too large: by what they say of themselves, and by what then comes.

    Parameters
    ----------
    app : ASGI application
        What is asked if the body is not too large.
    uploads : str
        The path that takes uploads.
    max_bytes : int
        Of an upload.
    """

    def __init__(self, app: ASGIApp, uploads: str, max_bytes: int) -> None:
        self._app = app
        self._uploads = uploads
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._max_bytes if scope["path"] == self._uploads else SMALL_BYTES
        said = Headers(scope=scope).get("content-length", "0")
        answered = False

        async def telling(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            if not said.isdecimal() or int(said) > most:
                raise TooLargeError
            await self._app(scope, _counted(receive, most), telling)
        except TooLargeError:
            if not answered:
                megabytes = f"{most / 1e6:,.0f} MB" if most >= 1e6 else f"{most:,} bytes"
                body = {"detail": f"larger than the {megabytes} that are taken at once"}
                await JSONResponse(body, 413, {"Connection": "close"})(scope, receive, send)


def _counted(receive: Receive, most: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise TooLargeError
        return message

    return counted
