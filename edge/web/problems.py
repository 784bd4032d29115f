"""How the API says why something was not done."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """Why something was not done."""

    detail: str


def problems(*codes: int) -> Responses:
    """Return the description of some codes, all of which come with a reason."""
    return {code: {"model": Problem} for code in codes}


EVERYWHERE = problems(400, 401, 403, 404, 413, 429)
"""What every request may be answered."""
