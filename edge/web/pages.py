"""Pages, made on the server: what comes from files, devices or people is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.templating import Jinja2Templates

from edge import __version__

FOLDER = Path(__file__).parent
_templates = Jinja2Templates(
    env=jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
)


def page(request: Request, name: str, /, *, status: int = 200, **content: Any) -> HTMLResponse:
    """Return a page made from a template."""
    account = getattr(request.state, "account", None)
    content = {
        "version": __version__,
        "account": account,
        "fleet": getattr(request.app.state, "fleet", None),
        **content,
    }
    return _templates.TemplateResponse(request, name, content, status_code=status)
