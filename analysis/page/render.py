"""Renders a page as one self-contained HTML text.

An open page fetches nothing: Vega, the style sheet and the script are in the file.
"""

import base64
import json
import re
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.page import draw, vega
from analysis.page.model import Figure, Page, Table
from analysis.page.shown import Column, shown_columns
from hybridir import names

_FOLDER = Path(__file__).parent
_SHORT = 18  # characters; a shorter text cell is not broken
_WIDE = 40  # characters; a longer text cell gets room


def render_page(page: Page) -> str:
    """Render a page as one HTML text with all of its resources."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
    )
    specifications = {
        figure.name: [figure.specification, figure.narrow] for figure in page.figures
    }
    return environment.get_template("page.html.j2").render(
        page=page,
        headlines=[
            {"text": headline, "figure": headline.figure and _figure(headline.figure)}
            for headline in page.headlines
        ],
        sections=[
            {
                "heading": section.heading,
                "paragraphs": section.paragraphs,
                "figures": [_figure(figure) for figure in section.figures],
                "tables": [_table(table) for table in section.tables if table.columns],
            }
            for section in page.sections
        ],
        css=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")),
        vega=Markup(_inside_script(vega.script())),
        specifications=Markup(json.dumps(specifications).replace("<", "\\u003c")),
    )


def _inside_script(code: str) -> str:
    """Escape strings in JavaScript code that would end its script element."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _figure(figure: Figure) -> dict[str, str]:
    encoded = base64.b64encode(draw.svg(figure.specification)).decode()
    return {"name": figure.name, "caption": figure.caption, "svg": encoded}


class _Cell(NamedTuple):
    text: str
    value: str  # sort key of the column; an empty one stays last
    kind: str  # class in the style sheet
    label: str = ""  # heading, where a row is a card


def _table(table: Table) -> dict[str, object]:
    columns, shared = shown_columns(table)
    cells = [_cells(column) for column in columns]
    return {
        "name": table.name,
        "caption": f"{table.caption} {shared}".rstrip(),
        "headings": [
            _Cell(_breakable(column.heading), "", "number" if column.numeric else "")
            for column in columns
        ],
        "rows": list(zip(*cells, strict=True)),
    }


def _breakable(heading: str) -> Markup:
    """Let a heading break after the slashes and underscores of a metric's name as well."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_])", heading))


def _cells(column: Column) -> list[_Cell]:
    return [
        _Cell(text, value, "number" if column.numeric else _kind(value), column.heading)
        for text, value in zip(column.texts, column.values, strict=True)
    ]


def _kind(text: str) -> str:
    kind = {names.PRUNED: "pruned", names.FAIL: "fail"}.get(text, "")
    return kind or ("wide" if len(text) > _WIDE else "short" if len(text) <= _SHORT else "")
