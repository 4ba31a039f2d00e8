r"""Writes what a paper takes from a study, and a document in two columns that shows all of it.

    FOLDER/paper.tex                      all of it, in ACL's measures; ``pdflatex paper.tex``
    FOLDER/main_table-BENCHMARK.tex       the main table; f1_table-BENCHMARK.tex
    FOLDER/method.tex                     a paragraph
    FOLDER/appendix.tex                   the tables of the report, over both columns
    FOLDER/figures/NAME-column.pdf        a figure of the report, as wide as a column
    FOLDER/figures/NAME-text.pdf          the same, as wide as the text

A figure that would be higher than a page at a width is left out at that width.

A paper needs the packages ``booktabs`` and ``graphicx``.
"""

from pathlib import Path
from typing import Final

from analysis.page import Page
from analysis.page.files import write_file
from analysis.page.latex import escape, to_wide_latex
from analysis.paper.figures import WIDTHS, paper_pdf
from analysis.paper.main_table import MEASURES, main_table
from analysis.paper.method import method_paragraph
from analysis.sections.all import StudyTables

DOCUMENT: Final = "paper.tex"
_AT_ONCE: Final = 12  # floats that LaTeX is left to place; it refuses more than 52
_PLACE_ALL: Final = "\\clearpage\n"
_HEAD: Final = """% pdflatex paper.tex
\\documentclass[11pt,twocolumn]{article}
% The measures of ACL's style: columns of 7.7 cm, 0.6 cm apart.
\\usepackage[a4paper, textwidth=16cm, textheight=24.7cm, columnsep=0.6cm]{geometry}
\\usepackage{booktabs}
\\usepackage{graphicx}
"""


def write_paper(page: Page, studies: list[StudyTables], folder: Path) -> Path:
    """Write figures, tables and method for a paper.

    Args:
        page: the report, whose figures and tables are taken.
        studies: the results of each study.
        folder: files of the same names are replaced.

    Returns:
        The document that shows all of it; it is written last.

    Raises:
        OSError: if the folder cannot be written.
    """
    for figure in page.figures:
        for name, width in WIDTHS.items():
            content = paper_pdf(figure.specification, width)
            path = folder / "figures" / f"{figure.name}-{name}.pdf"
            if content is None:
                path.unlink(missing_ok=True)  # of an earlier study
            else:
                write_file(path, content)
    several = len(studies) > 1
    main_tables = {
        f"{stem}-{benchmark.benchmark}{f'-{tables.study.name}' if several else ''}": text
        for tables in studies
        for benchmark in tables.benchmarks
        for measure, stem in MEASURES.items()
        if (text := main_table(benchmark, measure))
    }
    for name, text in main_tables.items():
        write_file(folder / f"{name}.tex", text.encode())
    paragraphs = "\n".join(map(method_paragraph, studies))
    write_file(folder / "method.tex", paragraphs.encode())
    write_file(folder / "appendix.tex", _appendix(page).encode())
    return write_file(folder / DOCUMENT, _document(page, list(main_tables), folder).encode())


def _appendix(page: Page) -> str:
    shown = [table for section in page.sections for table in section.tables if table.columns]
    pieces = [piece for table in shown for piece in to_wide_latex(table)]
    return "".join(
        piece + ("" if number % _AT_ONCE else _PLACE_ALL)
        for number, piece in enumerate(pieces, start=1)
    )


def _document(page: Page, main_tables: list[str], folder: Path) -> str:
    inputs = "".join(f"\\input{{{name}.tex}}\n" for name in main_tables)
    figures = []
    for number, figure in enumerate(page.figures, start=1):
        for name, kind in zip(WIDTHS, ("figure", "figure*"), strict=True):
            file = f"figures/{figure.name}-{name}.pdf"
            if (folder / file).exists():
                caption = figure.caption if kind == "figure*" else "As wide as a column."
                figures.append(
                    f"\\begin{{{kind}}}\n\\includegraphics{{{file}}}\n"
                    f"\\caption{{{escape(caption)}}}\n\\end{{{kind}}}\n"
                )
        figures.append("" if number % (_AT_ONCE // 4) else _PLACE_ALL)
    return (
        f"{_HEAD}\\title{{{escape(page.title)}}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n"
        f"\\input{{method.tex}}\n{inputs}{''.join(figures)}\\clearpage\n\\appendix\n"
        "\\section{Tables}\n\\input{appendix.tex}\n\\end{document}\n"
    )
