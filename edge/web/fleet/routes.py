"""Where browsers find the fleet: its page, and what it is made of."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from edge.web.fleet.picture import Picture
from edge.web.fleet.reader import GoneError, Reader
from edge.web.pages import page
from edge.web.problems import EVERYWHERE, problems

router = APIRouter(responses=EVERYWHERE)
home = APIRouter()
"""For a server without a broker of its own: the fleet is then what it shows first."""


class Services(msgspec.Struct, frozen=True):
    """What the routes work with.

    Attributes
    ----------
    reader : Reader
        The collector's database.
    beds : bool
        Whether this server has pages of beds, too.
    """

    reader: Reader
    beds: bool


def _services(request: Request) -> Services:
    found: Services = request.app.state.fleet
    return found


@home.get("/", include_in_schema=False)
def first_page() -> Response:
    """Lead to the fleet."""
    return RedirectResponse("/fleet")


@router.get("/fleet", include_in_schema=False)
def fleet_page(request: Request) -> Response:
    """Show the fleet."""
    return page(request, "fleet.html")


@router.get("/api/v1/fleet", tags=["fleet"], responses=problems(503))
def fleet(request: Request) -> Picture:
    """Tell what is known of every device, by ward."""
    try:
        return _services(request).reader.picture()
    except GoneError as error:
        raise HTTPException(503, str(error)) from None
