"""The page: sections in, one self-contained HTML text out.

Nothing is fetched when the page is opened: Vega, style and script stand in the file.
"""

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.page import draw
from analysis.page.format import is_number, written
from analysis.page.model import Figure, Headline, Section, Table
from hybridir import names

_FOLDER = Path(__file__).parent
_WIDE = 40  # characters; a longer text cell may wrap


@dataclass(frozen=True)
class Page:
    """What stands on a page, from top to bottom.

    Attributes:
        kicker: what kind of report it is.
        title: what is reported.
        byline: when, and how much of it.
        headlines: the answer.
        notes: what a reader must know before reading on, such as failed trials.
        sections: figures and tables.
        links: (text, address) of other reports.
        method: (what, value): how the figures came about.
        text: the study file, "" for none.
    """

    kicker: str
    title: str
    byline: str
    headlines: list[Headline]
    notes: list[str]
    sections: list[Section]
    links: list[tuple[str, str]]
    method: list[tuple[str, str]]
    text: str


class _Cell(NamedTuple):
    text: str
    value: str  # what the column sorts by; "" stays last
    kind: str  # class of the style sheet


def render_page(page: Page) -> str:
    """Render a report as one HTML text, with everything that it needs."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
    )
    figures = [figure for section in page.sections for figure in section.figures]
    specifications = {figure.name: figure.specification for figure in figures}
    return environment.get_template("page.html.j2").render(
        page=page,
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
        vega=Markup(_inside_script(_vega())),
        specifications=Markup(json.dumps(specifications).replace("<", "\\u003c")),
    )


def _vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    return str(
        vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", draw.vega_lite_version())
    )


def _inside_script(code: str) -> str:
    """Keep a string in JavaScript code from ending the script element that it stands in."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _figure(figure: Figure) -> dict[str, str]:
    encoded = base64.b64encode(draw.svg(figure.specification)).decode()
    return {"name": figure.name, "caption": figure.caption, "svg": encoded}


def _table(table: Table) -> dict[str, object]:
    shown = table.data[list(table.columns)]
    columns = [_cells(shown[name]) for name in table.columns]
    return {
        "name": table.name,
        "caption": table.caption,
        "headings": [
            _Cell(_breakable(heading), "", "number" if is_number(shown[name]) else "")
            for name, heading in table.columns.items()
        ],
        "rows": list(zip(*columns, strict=True)),
    }


def _breakable(heading: str) -> Markup:
    """Let a heading break after the slashes and underscores of a metric's name, and only there."""
    kept = heading.replace(" ", "\N{NO-BREAK SPACE}")
    return Markup("<wbr>").join(re.split(r"(?<=[/_])", kept))


def _cells(column: pd.Series) -> list[_Cell]:
    values = ["" if pd.isna(value) else str(value) for value in column.tolist()]
    number = is_number(column)
    return [
        _Cell(text, value, "number" if number else _kind(value))
        for text, value in zip(written(column), values, strict=True)
    ]


def _kind(text: str) -> str:
    kind = {names.PRUNED: "pruned", names.FAIL: "fail"}.get(text, "")
    return kind or ("wide" if len(text) > _WIDE else "")
