"""Figures as SVG, PNG and PDF, tables as CSV, Markdown and LaTeX, beside the page."""

from pathlib import Path

import pandas as pd

from analysis.page import draw
from analysis.page.latex import document, to_latex
from analysis.page.model import Section
from hybridir import names
from hybridir.runtime.files import replacing

_FORMATS = {"svg": draw.svg, "png": draw.png, "pdf": draw.pdf}


def export(title: str, sections: list[Section], folder: Path) -> list[Path]:
    """Write every figure and table of the sections.

    Args:
        title: of the document that shows all tables.
        sections: what to write.
        folder: gets ``figures/`` and ``tables/``; files of the same names are replaced.

    Returns:
        The files.
    """
    files = []
    tables = folder / names.REPORT_TABLES
    for section in sections:
        for figure in section.figures:
            for suffix, render in _FORMATS.items():
                path = folder / "figures" / f"{figure.name}.{suffix}"
                files.append(write(path, render(figure.specification)))
        for table in section.tables:
            csv = table.data.to_csv(index=False, lineterminator="\n")
            files.append(write(tables / f"{table.name}.csv", csv.encode()))
            shown = table.data[list(table.columns)] if table.columns else table.data
            markdown = to_markdown(shown.rename(columns=table.columns))
            files.append(write(tables / f"{table.name}.md", markdown.encode()))
            path = tables / f"{table.name}.tex"
            files.append(write(path, to_latex(table).encode()))
    tables_in_order = [table.name for section in sections for table in section.tables]
    files.append(write(tables / "all.tex", document(title, tables_in_order).encode()))
    return files


def to_markdown(table: pd.DataFrame) -> str:
    """Write a table in Markdown; a bar in a cell is escaped, a missing value is an empty cell."""
    rows = [
        list(map(str, table.columns)),
        ["---:" if pd.api.types.is_numeric_dtype(kind) else "---" for kind in table.dtypes],
        *([_cell(value) for value in row] for row in table.astype(object).fillna("").to_numpy()),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def write(path: Path, content: bytes) -> Path:
    """Write a file under a temporary name and rename it, so that it is whole or absent."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path
