from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest
from pypdf import PdfReader

from analysis.page import Figure, Headline, Page, Section, Table
from analysis.page.files import to_markdown, write_files


def test_every_figure_and_table_becomes_its_files(tmp_path: Path) -> None:
    data = pd.DataFrame({"x": [1, 2], "y": [0.25, None]})
    chart = alt.Chart(data).mark_point().encode(x="x:Q", y="y:Q")
    table = Table("numbers", data, {"x": "shown"}, "A caption.")
    opening = Headline("An answer.", figure=Figure("answer", lambda: chart, "C"))
    section = Section("S", figures=[Figure("points", lambda: chart, "C")], tables=[table])
    page = Page("a report", "A title", "today", [opening], [], [section], [], [], "")
    files = {path.relative_to(tmp_path).as_posix(): path for path in write_files(page, tmp_path)}
    assert {
        "figures/answer.svg": b"<svg",
        "figures/answer.png": b"\x89PNG",
        "figures/answer.pdf": b"%PDF",
        "figures/points.svg": b"<svg",
        "figures/points.png": b"\x89PNG",
        "figures/points.pdf": b"%PDF",
        "tables/numbers.csv": b"x,y\n",
        "tables/numbers.md": b"| shown |",
        "tables/numbers.tex": b"\\begin{table}",
        "tables/all.tex": b"% pdflatex",
    } == {name: _start(path) for name, path in files.items()}
    pd.testing.assert_frame_equal(pd.read_csv(files["tables/numbers.csv"]), data)
    on_disk = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert on_disk == set(files), "no partial file is left"


def _start(path: Path) -> bytes:
    figures = (b"<svg", b"\x89PNG", b"%PDF")
    tables = (b"x,y\n", b"| shown |", b"\\begin{table}", b"% pdflatex")
    content = path.read_bytes()
    return next((start for start in (*figures, *tables) if content.startswith(start)), b"")


def test_markdown_aligns_numbers_and_escapes_bars() -> None:
    table = pd.DataFrame({"name": ["a|b", None], "value": [0.123456789, None]})
    assert to_markdown(table) == (
        "| name | value |\n| --- | ---: |\n| a\\|b | 0.123457 |\n|  |  |\n"
    )


@pytest.mark.long
def test_every_pdf_figure_embeds_its_fonts(report: Path) -> None:
    folder = report.parent / "figures"
    figures = list(folder.glob("*.pdf"))
    assert {figure.stem for figure in figures} == {drawn.stem for drawn in folder.glob("*.svg")}
    assert len(figures) > 1
    for figure in figures:
        fonts = [font for page in PdfReader(figure).pages for font in _fonts(page)]
        assert fonts, f"{figure.name} has no text"
        for font in fonts:
            described = font["/DescendantFonts"][0] if "/DescendantFonts" in font else font
            descriptor = described.get_object()["/FontDescriptor"]
            embedded = {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)
            assert embedded, f"{figure.name}: {font['/BaseFont']}"


def _fonts(page: Any) -> list[Any]:
    """Fonts of a page and of the forms that it draws, at any depth."""
    resources = page["/Resources"] if "/Resources" in page else {}
    fonts = resources["/Font"] if "/Font" in resources else {}
    drawn = resources["/XObject"] if "/XObject" in resources else {}
    return [*(fonts[name] for name in fonts), *(f for name in drawn for f in _fonts(drawn[name]))]
