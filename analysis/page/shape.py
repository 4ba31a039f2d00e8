"""Turns a figure into one for a narrower space: a phone, or a column of a paper.

Letters keep their size. Panels get narrower; where they would get too narrow, they stand below
each other.
"""

import copy
from collections.abc import Iterator
from typing import Any, Final

Specification = dict[str, Any]

_LEAST: Final = 100  # pixels; the narrowest panel beside another one
_FLAT: Final = 0.62  # height of a panel by its width, at most
_LOWEST: Final = 110  # pixels; the flattest panel
_LETTER: Final = 6  # pixels of a letter of a legend
_SYMBOL: Final = 34  # pixels of its symbol, with gaps
_RIGHT: Final = "right"


def reshaped(specification: Specification, natural: float, pixels: float) -> Specification:
    """Make a figure about so wide.

    Args:
        specification: the figure in Vega-Lite.
        natural: its width in pixels.
        pixels: the width that it should have.

    Returns:
        Another specification. Its width is exact but for the space of labels, which is taken
        from the figure as it was; see `analysis.paper.figures` for an exact width.
    """
    result = copy.deepcopy(specification)
    _narrow_legends(result, pixels)
    across, panels = _across(result)
    margin = natural - across
    if panels > 1 and (pixels - margin) / panels < _LEAST:
        _stack(result)
        _resize(result, pixels - margin / panels, None)
    else:
        _resize(result, None, (pixels - margin) / across)
    return result


def widened(specification: Specification, pixels: float) -> Specification:
    """Add so many pixels to the width of a figure, shared by the panels of a row."""
    result = copy.deepcopy(specification)
    across, _ = _across(result)
    _resize(result, None, (across + pixels) / across)
    return result


def _across(view: Specification) -> tuple[float, int]:
    """Sum the panels of the widest row: their widths and their number."""
    if "hconcat" in view:
        sizes = [_across(panel) for panel in view["hconcat"]]
        return sum(width for width, _ in sizes), sum(count for _, count in sizes)
    if "vconcat" in view:
        return max(map(_across, view["vconcat"]))
    if "concat" in view:
        sizes = [_across(panel) for panel in view["concat"][: view["columns"]]]
        return sum(width for width, _ in sizes), sum(count for _, count in sizes)
    return float(view["width"]), 1


def _stack(view: Specification) -> None:
    """Put all panels below each other."""
    if "hconcat" in view:
        view["vconcat"] = view.pop("hconcat")
        view["spacing"] = min(view.get("spacing", 20), 20)
        view.pop("bounds", None)
    if "concat" in view:
        view["columns"] = 1
    for panel in (*view.get("vconcat", ()), *view.get("concat", ())):
        _stack(panel)


def _resize(view: Specification, width: float | None, factor: float | None) -> None:
    """Give all panels a width, or multiply theirs."""
    for panel in _panels(view):
        before = float(panel["width"])
        wide = max(width if width is not None else before * (factor or 1.0), 40.0)
        panel["width"] = round(wide, 1)
        kinds = _axis_types(panel)
        if kinds.get("y") == "quantitative":
            panel["height"] = min(panel["height"], round(max(_FLAT * wide, _LOWEST)))
        elif kinds.get("x") == "nominal":  # a map of cells
            panel["height"] = round(min(panel["height"] * wide / before, panel["height"]), 1)


def _panels(view: Specification) -> Iterator[Specification]:
    inner = [*view.get("hconcat", ()), *view.get("vconcat", ()), *view.get("concat", ())]
    if not inner:
        yield view
    for panel in inner:
        yield from _panels(panel)


def _axis_types(panel: Specification) -> dict[str, str]:
    """Find the types of the axes, with those of the first layer that has them."""
    types: dict[str, str] = {}
    for view in (panel, *panel.get("layer", ())):
        for axis in ("x", "y"):
            kind = view.get("encoding", {}).get(axis, {}).get("type")
            if kind and axis not in types:
                types[axis] = kind
    return types


def _narrow_legends(specification: Specification, pixels: float) -> None:
    """Put legends below, and the entries of wide ones below each other."""
    for panel in _panels(specification):
        for view in (panel, *panel.get("layer", ())):
            for channel in view.get("encoding", {}).values():
                legend = channel.get("legend") if isinstance(channel, dict) else None
                if not isinstance(channel, dict) or channel.get("legend", 0) is None:
                    continue
                labels = channel.get("scale", {}).get("domain", ())
                if not isinstance(labels, list) or not all(isinstance(x, str) for x in labels):
                    continue
                if sum(_LETTER * len(label) + _SYMBOL for label in labels) > pixels:
                    channel["legend"] = {**(legend or {}), "columns": 1, "direction": "vertical"}
    legends = specification.setdefault("config", {}).setdefault("legend", {})
    if legends.get("orient", _RIGHT) == _RIGHT:
        legends["orient"] = "bottom"
