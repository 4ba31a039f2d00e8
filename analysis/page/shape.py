"""Turns a figure into one for a narrower space: a phone, or a column of a paper.

Letters keep their size. Panels get narrower; where they would get too narrow, they stand below
each other.
"""

import copy
import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final

Specification = dict[str, Any]

_LEAST: Final = 100  # pixels; the narrowest panel beside another one
_CELL: Final = 24  # pixels; a cell of a map with a number in it
_MARGIN: Final = 130  # pixels; longer labels break into lines
_FLAT: Final = 0.62  # height of a panel by its width, at most
_FLATTER: Final = 0.45  # the same where more than two stand below each other
_LOWEST: Final = 110  # pixels; the flattest panel
_NARROWEST: Final = 40.0  # pixels
_LETTER: Final = 6  # pixels of a letter
_BOLD: Final = 7.2  # pixels of a letter of a panel's title
_OVERHANG: Final = 30  # pixels that a title may be wider than its panel
_ROOMY: Final = 350  # pixels; a panel with room for long names of rows beside it
_NAME: Final = 18  # letters; longer names of rows break into lines
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
    margin = (natural - across) / panels  # of a panel: its axis and the gap beside it
    margin = min(margin, _MARGIN)
    least = max(map(_least, _panels(result)))
    fitting = max(int(pixels // (least + margin)), 1)
    if "concat" in result:
        result["columns"] = columns = min(fitting, len(result["concat"]))
        _resize(result, lambda _: pixels / columns - margin)
    elif panels > fitting:
        _stack(result)
        flat = _FLATTER if panels > 2 else _FLAT
        _resize(result, lambda _: pixels - margin, flat)
    else:
        factor = (pixels - panels * margin) / across
        _resize(result, lambda width: width * factor)
    return result


def widened(specification: Specification, pixels: float) -> Specification:
    """Add so many pixels to the width of a figure, shared by the panels of a row."""
    result = copy.deepcopy(specification)
    across, _ = _across(result)
    for panel in _panels(result):
        panel["width"] = round(max(panel["width"] * (across + pixels) / across, _NARROWEST), 1)
        _break_titles(panel, panel["width"])
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
    """Put all panels below each other, each with the title that the first had for a row."""
    if "hconcat" in view:
        view["vconcat"] = view.pop("hconcat")
        for panel in view["vconcat"][1:]:
            _share_titles(view["vconcat"][0], panel)
        view["spacing"] = min(view.get("spacing", 20), 20)
        view.pop("bounds", None)
    if "concat" in view:
        view["columns"] = 1
    for panel in (*view.get("vconcat", ()), *view.get("concat", ())):
        _stack(panel)


def _share_titles(first: Any, other: Any) -> None:
    """Give another panel of the same form the titles of its y axes that it lacks."""
    if isinstance(first, list) and isinstance(other, list):
        # From behind: the layers that only some panels have stand first.
        for one, another in zip(reversed(first), reversed(other), strict=False):
            _share_titles(one, another)
    elif isinstance(first, dict) and isinstance(other, dict):
        y, own = first.get("y"), other.get("y")
        if isinstance(y, dict) and isinstance(own, dict) and own.get("title", "") is None:
            own["title"] = y.get("title")
        for key in ("vconcat", "layer", "encoding"):
            _share_titles(first.get(key), other.get(key))


def _resize(view: Specification, new_width: Callable[[float], float], flat: float = _FLAT) -> None:
    """Give all panels a width by the one that they had, and a height that goes with it."""
    for panel in _panels(view):
        before = float(panel["width"])
        wide = max(new_width(before), _NARROWEST)
        panel["width"] = round(wide, 1)
        kinds = _axis_types(panel)
        if kinds.get("y") == "quantitative":
            panel["height"] = min(panel["height"], round(max(flat * wide, _LOWEST)))
        elif kinds.get("x") == "nominal":  # a map of cells
            panel["height"] = round(min(panel["height"] * wide / before, panel["height"]), 1)
        _break_titles(panel, wide)


def _panels(view: Specification) -> Iterator[Specification]:
    inner = [*view.get("hconcat", ()), *view.get("vconcat", ()), *view.get("concat", ())]
    if not inner:
        yield view
    for panel in inner:
        yield from _panels(panel)


def _least(panel: Specification) -> float:
    """Choose the least width of a panel."""
    if _axis_types(panel).get("x") != "nominal":
        return _LEAST
    order = next(
        (
            channels["x"]["sort"]
            for channels in _encodings(panel)
            if channels.get("x", {}).get("sort")
        ),
        (),
    )
    return max(_LEAST, _CELL * len(order))


def _break_titles(panel: Specification, width: float) -> None:
    """Break titles that are wider than their panel, and long names of rows, into lines."""
    if "title" in panel:
        title = panel["title"] if isinstance(panel["title"], dict) else {"text": panel["title"]}
        panel["title"] = title | {"text": _lines(title["text"], (width + _OVERHANG) / _BOLD)}
    for channels in _encodings(panel):
        across, down = channels.get("x", {}), channels.get("y", {})
        if across.get("title"):
            across["title"] = _lines(across["title"], (width + _OVERHANG) / _LETTER)
        names = down.get("sort")
        if width > _ROOMY or not isinstance(names, list) or down.get("axis", 0) is None:
            continue
        broken = {name: _lines(name, _NAME) for name in names if len(name) > _NAME}
        if broken:
            label = f"({json.dumps(broken)})[datum.label] || datum.label"
            axis = {**down.get("axis", {}), "labelExpr": label}
            down["axis"] = axis | {"minExtent": min(axis.get("minExtent", 0), _NAME * _LETTER)}


def _lines(text: str | list[str], letters: float) -> str | list[str]:
    whole = text if isinstance(text, str) else " ".join(text)
    lines = textwrap.wrap(whole, max(int(letters), 12), break_long_words=False)
    return lines if len(lines) > 1 else whole


def _encodings(panel: Specification) -> Iterator[Specification]:
    for view in (panel, *panel.get("layer", ())):
        if "encoding" in view:
            yield view["encoding"]


def _axis_types(panel: Specification) -> dict[str, str]:
    """Find the types of the axes, with those of the first layer that has them."""
    types: dict[str, str] = {}
    for channels in _encodings(panel):
        for axis in ("x", "y"):
            kind = channels.get(axis, {}).get("type")
            if kind and axis not in types:
                types[axis] = kind
    return types


def _narrow_legends(specification: Specification, pixels: float) -> None:
    """Put legends below, and the entries of wide ones below each other."""
    for panel in _panels(specification):
        for channels in _encodings(panel):
            for channel in channels.values():
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
