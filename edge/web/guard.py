"""Asks everybody who comes for the password, and nobody too often."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.web.access import COOKIE, Access
from edge.web.limits import RateLimit

LOGIN = "/login"
_OPEN_TO_ALL = (LOGIN, "/static/")
_BURST, _PER_S = 600.0, 60.0
_WRONG_BURST, _WRONG_PER_S = 10.0, 0.1


class Guard:
    """Lets in who has a session or the password; counts requests of each client.

    Parameters
    ----------
    app : ASGI application
        What is asked if all is well.
    access : Access or None
        Knows the password; None lets everybody in.
    """

    def __init__(self, app: ASGIApp, access: Access | None) -> None:
        self._app = app
        self._access = access
        self._requests = RateLimit(_BURST, _PER_S)
        self._wrong = RateLimit(_WRONG_BURST, _WRONG_PER_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say what is missing."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        client = scope["client"][0] if scope.get("client") else ""
        wait_s = self._requests.wait_s(client, time.monotonic())
        if wait_s:
            return _too_often(wait_s)
        scope.setdefault("state", {})["account"] = self._access is not None
        if self._access is None or scope["path"].startswith(_OPEN_TO_ALL):
            return None
        headers = Headers(scope=scope)
        if self._access.remaining_s(session_of(headers)) > 0:
            return None
        if given := headers.get("authorization"):
            return await self._by_password(self._access, given, client)
        return _who_is_there(scope, headers)

    async def _by_password(self, access: Access, given: str, client: str) -> Response | None:
        if await run_in_threadpool(access.is_basic, given):
            return None
        wait_s = self._wrong.wait_s(client, time.monotonic())
        return _too_often(wait_s) if wait_s else JSONResponse({"detail": "the password is wrong"}, 401)


def session_of(headers: Mapping[str, str]) -> str:
    """Return the session that a browser shows; empty if it shows none."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _too_often(wait_s: float) -> Response:
    return JSONResponse({"detail": "too many requests"}, 429, {"Retry-After": str(math.ceil(wait_s))})


def _who_is_there(scope: Scope, headers: Headers) -> Response:
    """Return where to log in: for a page its address, for a program the way to say the password."""
    if "text/html" in headers.get("accept", "") and scope.get("method") == "GET":
        return RedirectResponse(f"{LOGIN}?next={quote(scope['path'])}", 303)
    # A browser would open a window of its own if it were asked like a program.
    asked = {} if "sec-fetch-site" in headers else {"WWW-Authenticate": 'Basic realm="ecg-edge", charset="UTF-8"'}
    return JSONResponse({"detail": "log in first"}, 401, asked)
