"""Draws Vega-Lite as SVG, PNG and PDF without a browser, in the version that Altair writes."""

import json
import re
from functools import lru_cache
from typing import Any

import altair as alt
import vl_convert

Specification = dict[str, Any]
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
