"""The page that asks for the password."""

from __future__ import annotations

import math
import re
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from edge.web.access import COOKIE, LASTS_S, Access
from edge.web.guard import LOGIN, session_of
from edge.web.limits import RateLimit
from edge.web.pages import page

router = APIRouter(include_in_schema=False)

_HERE = re.compile(r"/(?:[A-Za-z0-9_-][A-Za-z0-9_./-]*)?")
_BURST, _PER_S = 10.0, 0.1
_RENEWED_AFTER_S = 1800
_tries = RateLimit(_BURST, _PER_S)


def _access(request: Request) -> Access | None:
    access: Access | None = request.app.state.access
    return access


def _inside(path: str) -> str:
    """Return a path of this server; its first page if it is none."""
    return path if _HERE.fullmatch(path) else "/"


@router.get(LOGIN)
def login_page(request: Request, next: Annotated[str, Query(max_length=500)] = "/") -> Response:  # noqa: A002
    """Ask for the password."""
    if _access(request) is None:
        return RedirectResponse("/", 303)
    return page(request, "login.html", next=_inside(next), problem="")


@router.post(LOGIN)
async def login(request: Request) -> Response:
    """Let in who knows the password."""
    access = _access(request)
    if access is None:
        return RedirectResponse("/", 303)
    form = await request.form(max_files=0, max_fields=4, max_part_size=4096)
    target = _inside(str(form.get("next", "/")))
    wait_s = _tries.wait_s(request.client.host if request.client else "", time.monotonic())
    if wait_s:
        problem = f"Too many attempts: try again in {math.ceil(wait_s)} s"
        return page(request, "login.html", status=429, next=target, problem=problem)
    if not await run_in_threadpool(access.is_password, str(form.get("password", ""))):
        return page(request, "login.html", status=401, next=target, problem="This is not the password")
    answer = RedirectResponse(target, 303)
    _give_session(request, answer, access.session())
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:  # noqa: ARG001  # every route is given it
    """End this browser's session."""
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/session")
def session(request: Request) -> Response:
    """Say to a page that its session is good, and make it last longer: a screen on a wall is not logged out."""
    access, answer = _access(request), Response(status_code=204)
    if access is not None and 0 < access.remaining_s(session_of(request.headers)) < LASTS_S - _RENEWED_AFTER_S:
        _give_session(request, answer, access.session())
    return answer


def _give_session(request: Request, answer: Response, session: str) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, session, max_age=LASTS_S, httponly=True, samesite="strict", secure=secure)
