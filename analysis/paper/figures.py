"""Figures for a paper: as wide as a column or as the text, with letters of 7 to 9 points.

The figures are the report's. Panels get narrower until the figure fits, and letters keep their
size; a figure is never shrunk to fit.
"""

from typing import Any, Final

from analysis.page import draw, shape

WIDTHS: Final = {"column": 219.0, "text": 455.0}
"""TeX points of the two widths in ACL's style: 7.7 and 16 cm."""
_PAGE: Final = 670.0  # TeX points: the height of ACL's page, less a short caption
_TEX_POINT: Final = 72 / 72.27  # PDF points
_LETTER: Final = 11  # pixels of the smallest letters of the report's figures
_SMALLEST: Final = 7  # points of these letters in a paper
_ROUNDS: Final = 6


def paper_pdf(specification: dict[str, Any], width: float) -> bytes | None:
    """Draw a figure as a PDF of a width.

    Args:
        specification: the figure in Vega-Lite.
        width: TeX points.

    Returns:
        The PDF; None if it would be higher than a page.
    """
    points = width * _TEX_POINT
    pixels = points * _LETTER / _SMALLEST
    shaped = fitted(specification, pixels)
    if draw.size(shaped)[1] * _SMALLEST / _LETTER > _PAGE * _TEX_POINT:
        return None
    return draw.scaled_pdf(shaped, pixels, points)


def fitted(specification: dict[str, Any], pixels: float) -> dict[str, Any]:
    """Make a figure as wide as some pixels, or at most 2 narrower."""
    shaped = shape.reshaped(specification, draw.size(specification)[0], pixels)
    for _ in range(_ROUNDS):
        missing = pixels - draw.size(shaped)[0]
        if 0 <= missing <= 2:
            break
        shaped = shape.widened(shaped, missing - 1)  # a little more than what is too wide
    return shaped
