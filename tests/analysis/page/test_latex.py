import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader

from analysis.page import Page, Section, Table
from analysis.page.files import write_files
from analysis.page.latex import escape, to_latex

ODD = '50 % of $x_1 & #2 {~^\\} <a|b> "q" α Ω Α − × – é ß 中 \t.'


def test_numbers_are_right_aligned_texts_left_and_all_are_escaped() -> None:
    data = pd.DataFrame({"measure": ["ap", "a_b"], "value": [0.5, -0.25], "not shown": [1, 2]})
    table = Table("curve-x", data, {"measure": "measure", "value": "α & β"}, "5 % of it.")
    assert to_latex(table) == (
        "\\begin{table}\n\\centering\n\\caption{5 \\% of it.}\n\\label{tab:curve-x}\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        "\\begin{tabular}{lr}\n\\toprule\nmeasure & $\\alpha$ \\& $\\beta$ \\\\\n\\midrule\n"
        "mAP & 0.50 \\\\\na\\_b & $-$0.25 \\\\\n\\bottomrule\n\\end{tabular}}\n\\end{table}\n"
    )


def test_a_character_that_the_fonts_lack_becomes_its_code_point() -> None:
    assert escape("中é") == "[U+4E2D]\\'{e}"


def test_all_tables_compile(tmp_path: Path) -> None:
    empty = Table("empty", pd.DataFrame({"a": []}), {"a": "a"}, "None.")
    tables = [Table(f"table_{rows}", odd(rows), {}, ODD) for rows in (3, 90)]
    sections = [Section("S", tables=tables), Section("T", tables=[empty])]
    page = Page("a report", ODD, "today", [], [], sections, [], [], "")
    folder = compiled(write_files(page, tmp_path))
    texts = [page.extract_text() for page in PdfReader(folder / "all.pdf").pages]
    (first,) = [number for number, text in enumerate(texts) if "Table 2" in text]
    (last,) = [number for number, text in enumerate(texts) if "last row of 90" in text]
    assert last > first, "a long table goes on to further pages"
    assert "Table 3: None." in texts[-1]


@pytest.mark.long
def test_tables_of_a_report_compile(report: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(report.parent / "tables", tmp_path / "tables"))
    compiled([folder / "all.tex"])
    text = "".join(page.extract_text() for page in PdfReader(folder / "all.pdf").pages)
    names = [path.stem for path in folder.glob("*.csv")]
    assert text.count("Table ") == len(names), "one caption a table"


def odd(rows: int) -> pd.DataFrame:
    texts = [*[ODD] * (rows - 1), f"last row of {rows}"]
    return pd.DataFrame({ODD: texts, "short": "x", "number": range(rows)})


def compiled(files: list[Path]) -> Path:
    """Run a real engine over the document among the files; return its folder."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on PATH: apt-get install texlive-latex-recommended")
    document = next(path for path in files if path.name == "all.tex")
    for _ in range(2):  # a long table knows its widths in the second run
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document.name],
            cwd=document.parent,
            capture_output=True,
            text=True,
            errors="replace",
        )
        assert done.returncode == 0, done.stdout[-2000:]
    return document.parent
