"""The web application: its parts put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from edge import __version__
from edge.sinks.mqtt.broker import Broker
from edge.web.headers import SameOrigin
from edge.web.pages import FOLDER
from edge.web.ward import routes as ward_routes
from edge.web.ward.hub import Hub


def create_app(broker: Broker | None, *, hosts: Collection[str] | None = None) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    broker : Broker or None
        Whose devices the ward page shows.
    hosts : collection of str, optional
        The names this server goes by; any, if not given.
    """
    hub = Hub(broker)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        hub.start()
        yield
        await hub.stop()

    app = FastAPI(
        title="ecg-edge",
        version=__version__,
        description="Devices of a ward, and analyses of uploaded ECG. Not a diagnosis.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.hub = hub
    app.include_router(ward_routes.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.add_middleware(SameOrigin, hosts=hosts)
    return app
