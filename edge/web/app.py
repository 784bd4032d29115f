"""The web application: its parts put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from edge import __version__
from edge.errors import EcgEdgeError, how_to_install
from edge.web import login, metrics
from edge.web.access import Access, secret_of
from edge.web.analyses import routes as analysis_routes
from edge.web.analyses.files import Folders
from edge.web.analyses.runner import Runner
from edge.web.analyses.store import Store
from edge.web.bodies import BodyLimit
from edge.web.database import connect
from edge.web.guard import Guard
from edge.web.headers import SameOrigin
from edge.web.pages import FOLDER
from edge.web.problems import tell_people
from edge.web.settings import Settings
from edge.web.ward import bed_routes
from edge.web.ward import routes as ward_routes
from edge.web.ward.hub import Hub
from edge.web.ward.reviews import Reviews

_SOME = 100_000  # what a form needs beside its files


def create_app(settings: Settings) -> FastAPI:
    """Return the application.

    Raises
    ------
    EcgEdgeError
        If its folder or its database cannot be used.
    """
    folders = Folders(settings.data / "analyses")
    folders.make()
    engine = connect(settings.database_url)
    store = Store(engine, most_queued=settings.most_queued)
    hub = Hub(settings.broker)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runner = Runner(store, folders, bounds=settings.bounds, at_once=settings.at_once, kept=settings.kept)
        app.state.analyses = analysis_routes.Services(store, folders, runner, settings)
        hub.start()
        runner.start()
        yield
        await runner.stop()
        await hub.stop()
        engine.dispose()
        if settings.fleet:
            app.state.fleet.reader.close()

    app = FastAPI(
        title="ecg-edge",
        version=__version__,
        description="Devices of a ward, and analyses of uploaded ECG. Not a diagnosis.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    access = Access(settings.password, secret_of(settings.data)) if settings.password else None
    tell_people(app)
    app.state.hub = hub
    app.state.access = access
    app.state.metrics = metrics.registry(hub, store)
    app.include_router(login.router)
    app.include_router(metrics.router)
    app.state.reviews = Reviews(engine)
    if settings.fleet:
        show_fleet(app, settings)
    app.include_router(ward_routes.router)
    app.include_router(bed_routes.router)
    app.include_router(analysis_routes.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.add_middleware(BodyLimit, uploads=analysis_routes.API, max_bytes=settings.max_upload_mb * 1_000_000 + _SOME)
    app.add_middleware(Guard, access=access)
    app.add_middleware(SameOrigin, hosts=settings.hosts)
    return app


def show_fleet(app: FastAPI, settings: Settings) -> None:
    """Add the picture of many devices; it comes first if there is no broker.

    Raises
    ------
    EcgEdgeError
        If its database, or the extra that reads it, is not there.
    """
    try:
        from edge.web.fleet import routes  # noqa: PLC0415
        from edge.web.fleet.reader import Reader  # noqa: PLC0415
    except ImportError as error:
        raise EcgEdgeError(f"--fleet needs {error.name}", how_to_install("fleet")) from error
    app.state.fleet = routes.Services(Reader(settings.fleet), beds=settings.broker is not None)
    if settings.broker is None:
        app.include_router(routes.home)
    app.include_router(routes.router)
