"""Writes figures as SVG, PNG and PDF, and tables as CSV, Markdown and LaTeX, beside the page."""

from pathlib import Path

import pandas as pd

from analysis.page import draw
from analysis.page.latex import latex_document, to_latex
from analysis.page.model import Page
from hybridir import names
from hybridir.runtime.files import atomic_write

_FORMATS = {"svg": draw.svg, "png": draw.png, "pdf": draw.pdf}


def write_files(page: Page, folder: Path) -> list[Path]:
    """Write every figure and table of a page.

    Args:
        page: the page; its title is that of the document that shows all tables.
        folder: gets ``figures/`` and ``tables/``; files of the same names are replaced.

    Returns:
        The files.
    """
    files = []
    tables = folder / names.REPORT_TABLES
    for figure in page.figures:
        for suffix, render in _FORMATS.items():
            path = folder / "figures" / f"{figure.name}.{suffix}"
            files.append(write_file(path, render(figure.specification)))
    for section in page.sections:
        for table in section.tables:
            csv = table.data.to_csv(index=False, lineterminator="\n")
            files.append(write_file(tables / f"{table.name}.csv", csv.encode()))
            shown = table.data[list(table.columns)] if table.columns else table.data
            markdown = to_markdown(shown.rename(columns=table.columns))
            files.append(write_file(tables / f"{table.name}.md", markdown.encode()))
            path = tables / f"{table.name}.tex"
            files.append(write_file(path, to_latex(table).encode()))
    table_names = [table.name for section in page.sections for table in section.tables]
    document = latex_document(page.title, table_names)
    files.append(write_file(tables / "all.tex", document.encode()))
    return files


def to_markdown(table: pd.DataFrame) -> str:
    """Write a table in Markdown; bars in cells are escaped, missing values are empty cells."""
    rows = [
        list(map(str, table.columns)),
        ["---:" if pd.api.types.is_numeric_dtype(kind) else "---" for kind in table.dtypes],
        *([_cell(value) for value in row] for row in table.astype(object).fillna("").to_numpy()),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def write_file(path: Path, content: bytes) -> Path:
    """Write a file under a temporary name and rename it, so that it is whole or absent."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return path
