"""Drawings as PNG: their PDF, rendered, so that both show the same."""

from __future__ import annotations

import io

from edge.report.drawing import Drawing
from edge.report.pdf_drawing import picture

DPI = 192
"""Twice what screens have."""
_MOST_PIXELS = 80_000_000


def png(drawing: Drawing, dpi: float = DPI) -> bytes:
    """Return a drawing as a PNG file.

    Parameters
    ----------
    drawing : Drawing
        In mm.
    dpi : float
        Pixels an inch; fewer where a drawing would have more than eighty million.

    Raises
    ------
    EcgEdgeError
        If reportlab is not installed.
    """
    import pypdfium2  # noqa: PLC0415
    from PIL import PngImagePlugin  # noqa: PLC0415

    area = drawing.width * drawing.height / 25.4**2
    dpi = min(dpi, (_MOST_PIXELS / max(area, 1)) ** 0.5)
    document = pypdfium2.PdfDocument(picture(drawing))
    try:
        image = document[0].render(scale=dpi / 72).to_pil()
    finally:
        document.close()
    out = io.BytesIO()
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", "ecg-edge")
    image.save(out, "PNG", dpi=(dpi, dpi), pnginfo=about)
    return out.getvalue()
