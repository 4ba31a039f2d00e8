"""The parts of a report, before they become a page or files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import altair as alt
import pandas as pd
from altair.utils.schemapi import debug_mode

from analysis.page import draw, shape

PHONE: Final = 340  # pixels of a figure's width on a phone
LOW: Final = "95 % from"
HIGH: Final = "95 % to"
"""Headings of the ends of an interval; pages and papers show them in the column before them."""


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption.

    Attributes:
        name: stem of its files.
        plot: makes the chart, which takes longer than all statistics; called once, if at all.
        caption: the content of the drawing, with n and the kind of interval.
    """

    name: str
    plot: Callable[[], alt.TopLevelMixin]
    caption: str

    @cached_property
    def specification(self) -> dict[str, Any]:
        """The chart in Vega-Lite."""
        # Tests check that the charts are valid, so that Altair need not check each part of each.
        with debug_mode(False):
            return dict(self.plot().to_dict(validate=False))

    @cached_property
    def narrow(self) -> dict[str, Any]:
        """The chart for a phone in Vega-Lite."""
        return shape.reshaped(self.specification, draw.size(self.specification)[0], PHONE)


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes:
        name: stem of its files.
        data: all columns; the files hold every one.
        columns: columns to show and their headings; without any, the table is in files only.
        caption: the meaning of the rows.
    """

    name: str
    data: pd.DataFrame
    columns: dict[str, str]
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with text, figures and tables, shown in this order."""

    heading: str
    paragraphs: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Headline:
    """An answer that opens the page.

    Attributes:
        sentence: the answer in one sentence.
        hedge: at what temperature, batch size and budget it holds, and on what; "" for none.
        figure: shows the answer; None without one.
        findings: further sentences, each on its own.
        rows: the figures behind the answer: one dictionary per row, heading -> text, all with the
            same keys.
        caveat: the basis of the figures and what they leave out.
    """

    sentence: str
    hedge: str = ""
    figure: Figure | None = None
    findings: list[str] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    caveat: str = ""


@dataclass(frozen=True)
class Page:
    """The contents of a page, from top to bottom.

    Attributes:
        kicker: the kind of report.
        title: the subject of the report.
        byline: its date and the number of trials.
        headlines: the answers.
        notes: warnings to read before the rest, such as failed trials.
        sections: figures and tables.
        links: (text, address) of other reports.
        method: (term, description): how the figures were made.
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

    @property
    def figures(self) -> list[Figure]:
        """All figures, from top to bottom."""
        opening = [headline.figure for headline in self.headlines if headline.figure]
        return opening + [figure for section in self.sections for figure in section.figures]
