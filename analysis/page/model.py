"""What a report is made of, before it becomes a page or files."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Figure:
    """A drawing under a name that is also its file's.

    Attributes:
        name: of the files.
        specification: the chart in Vega-Lite.
        caption: what is shown, with n and what the intervals are.
    """

    name: str
    specification: dict[str, Any]
    caption: str


@dataclass(frozen=True)
class Table:
    """A table under a name that is also its file's.

    Attributes:
        name: of the files.
        data: everything, for the files.
        columns: columns that the page shows, under their headings; none for files alone.
        caption: what the rows are.
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
    """The answer that opens the page.

    Attributes:
        sentence: the answer in one sentence.
        details: further sentences.
        rows: the figures behind it: heading -> text, a dictionary per row, all of the same keys.
        caveat: what the figures rest on and what they leave out.
    """

    sentence: str
    details: str
    rows: list[dict[str, str]]
    caveat: str
