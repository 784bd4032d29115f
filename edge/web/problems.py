"""How the API says why something was not done."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edge.web.pages import page

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """Why something was not done."""

    detail: str


def problems(*codes: int) -> Responses:
    """Return the description of some codes, all of which come with a reason."""
    return {code: {"model": Problem} for code in codes}


EVERYWHERE = problems(400, 401, 403, 404, 413, 429)
"""What every request may be answered."""


def tell_people(app: FastAPI) -> None:
    """Have problems told to people as pages, and to programs as JSON."""

    async def problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return await request_validation_exception_handler(request, error)  # type: ignore[arg-type]
        return await http_exception_handler(request, error)

    async def shown(request: Request, error: Exception) -> Response:
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return await problem(request, error)
        status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (404, "")
        return page(request, "problem.html", status=status, detail=detail or "There is no such page")

    app.add_exception_handler(HTTPException, shown)
    app.add_exception_handler(RequestValidationError, shown)
