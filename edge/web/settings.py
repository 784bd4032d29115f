"""How the web application is to run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.sinks.mqtt.broker import Broker
from edge.web.analyses.worker import Bounds
from edge.web.database import sqlite_url


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes
    ----------
    data : Path
        Folder for uploads and results.
    broker : Broker or None
        Whose devices the ward page shows.
    database : str
        Where the history is; beside the results unless given.
    fleet : str
        The collector's database, if the picture of many devices is shown.
    hosts : frozenset of str or None
        The names this server goes by; any, if None.
    password : str
        What lets people in, or its Argon2 hash; empty lets everybody in.
    max_upload_mb : int
        Of all files of an upload together.
    most_queued, at_once, kept : int
        Analyses that may wait, that run at the same time, and that are kept once they are over.
    bounds : Bounds
        What each may use.
    """

    data: Path
    broker: Broker | None = None
    database: str = ""
    fleet: str = ""
    hosts: frozenset[str] | None = None
    password: str = ""
    max_upload_mb: int = 256
    most_queued: int = 256
    at_once: int = 1
    kept: int = 1000
    bounds: Bounds = Bounds()

    @property
    def database_url(self) -> str:
        """Where the history is."""
        return self.database or sqlite_url(self.data)
