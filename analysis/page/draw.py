"""Draws Vega-Lite as SVG, PNG and PDF without a browser, in the version that Altair writes."""

import json
import re
from functools import lru_cache
from typing import Any

import altair as alt
import vl_convert

Specification = dict[str, Any]
_SIZE = re.compile(r'width="([\d.]+)" height="([\d.]+)" viewBox="[^"]*"')
_PNG_SCALE = 2.0  # pixels of the file per pixel of the figure: sharp on dense screens


def vega_lite_version() -> str:
    """Name Altair's Vega-Lite as vl-convert does: ``v6.4.1`` is ``6.4``."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def svg(specification: Specification) -> bytes:
    """Draw as SVG; the same specification gives the same bytes."""
    return _svg(json.dumps(specification)).encode()


def png(specification: Specification) -> bytes:
    """Draw as PNG."""
    return bytes(vl_convert.svg_to_png(_svg(json.dumps(specification)), scale=_PNG_SCALE))


def pdf(specification: Specification) -> bytes:
    """Draw as PDF."""
    return bytes(vl_convert.svg_to_pdf(_svg(json.dumps(specification))))


def scaled_pdf(specification: Specification, pixels: float, points: float) -> bytes:
    """Draw as PDF of a given width.

    Args:
        specification: the figure.
        pixels: width of the figure that fills the page; a narrower figure is centred in it.
        points: width of the page, PDF points of 1/72 inch.
    """
    drawing = _svg(json.dumps(specification))
    wide, high = _size(drawing)
    across = max(pixels, wide)
    box = f'viewBox="{(wide - across) / 2:g} 0 {across:g} {high:g}"'
    scale = points / across
    sized = f'width="{points:g}" height="{high * scale:g}" {box}'
    return bytes(vl_convert.svg_to_pdf(_SIZE.sub(sized, drawing, count=1)))


def size(specification: Specification) -> tuple[float, float]:
    """Measure the width and the height of a figure in pixels."""
    return _size(_svg(json.dumps(specification)))


def _size(drawing: str) -> tuple[float, float]:
    size = _SIZE.search(drawing)
    assert size, "Vega writes the size first"
    return float(size[1]), float(size[2])


@lru_cache(maxsize=128)  # the page and three files show the same figure, and Vega is slow
def _svg(specification: str) -> str:
    drawing = str(vl_convert.vegalite_to_svg(specification, vega_lite_version()))
    # Vega numbers gradients and clips across all drawings of a process; start each one at 0.
    numbers: dict[str, int] = {}
    return re.sub(
        r"\b(gradient_|clip)(\d+)\b",
        lambda match: f"{match[1]}{numbers.setdefault(match[0], len(numbers))}",
        drawing,
    )
