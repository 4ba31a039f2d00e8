r"""Writes tables in LaTeX, with booktabs, and a document that shows them all.

Every table is a file to ``\input``. A paper needs the packages ``booktabs``, ``graphicx`` and,
for tables longer than a page, ``longtable``. Texts are escaped for pdfTeX and its standard fonts.
"""

import re
import unicodedata
from typing import Final

import pandas as pd

from analysis.page.format import format_column, is_numeric
from analysis.page.model import Table

_LONG: Final = 40  # rows; a longer table may break between pages
_WIDE: Final = 40  # characters; a column of longer texts is set as paragraphs
_SPECIAL: Final = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",  # the standard fonts have no straight quotation mark
    "\N{MINUS SIGN}": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "–": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{SECTION SIGN}": r"\S{}",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{NO-BREAK SPACE}": "~",
    "\n": " ",
    "\t": " ",
}
_GREEK: Final = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)$")
# Greek capitals that look like Latin letters; TeX has no commands for them.
_LATIN_CAPITALS: Final = {
    name: name[0] for name in "ALPHA BETA EPSILON ZETA IOTA KAPPA MU NU OMICRON TAU".split()
} | {"ETA": "H", "RHO": "P", "CHI": "X"}
_TEX_NAMES: Final = {"LAMDA": "lambda"}
_ACCENTS: Final = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0308": '"',
    "\u030a": "r",
    "\u030c": "v",
    "\u0327": "c",
}


def escape(text: str) -> str:
    r"""Escape a text for LaTeX.

    Greek letters become mathematics, accented Latin letters become commands. A character that the
    standard fonts lack is printed as its code point.

    >>> escape("50 % of α_1 < Müller")
    '50 \\% of $\\alpha$\\_1 $<$ M\\"{u}ller'
    """
    return "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else ""
    greek = _GREEK.match(unicodedata.name(character, ""))
    if greek:
        size, letter = greek.groups()
        if letter == "OMICRON" and size == "SMALL":
            return "$o$"
        if size == "CAPITAL" and letter in _LATIN_CAPITALS:
            return _LATIN_CAPITALS[letter]
        name = _TEX_NAMES.get(letter, letter.lower())
        return rf"$\{name if size == 'SMALL' else name.capitalize()}$"
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return f"[U+{ord(character):04X}]"


def to_latex(table: Table) -> str:
    """Write a table with its caption and the label ``tab:NAME``.

    Returns:
        A ``table`` no wider than a line; a ``longtable`` for more rows than fit on a page.
    """
    shown = table.data[list(table.columns)] if table.columns else table.data
    headings = [table.columns.get(str(name), str(name)) for name in shown]
    columns = [format_column(shown[name]) for name in shown]
    kinds = "".join(_kind(shown[name], texts) for name, texts in zip(shown, columns, strict=True))
    top = " & ".join(map(escape, headings))
    rows = "".join(f"{' & '.join(map(escape, row))} \\\\\n" for row in zip(*columns, strict=True))
    caption = f"\\caption{{{escape(table.caption)}}}\n\\label{{tab:{table.name}}}"
    head = f"\\toprule\n{top} \\\\\n\\midrule\n"
    if len(shown) > _LONG:
        return (
            f"{{\\scriptsize\n\\setlength{{\\tabcolsep}}{{3pt}}\n\\begin{{longtable}}{{{kinds}}}\n"
            f"{caption} \\\\\n{head}\\endfirsthead\n{head}\\endhead\n\\bottomrule\n\\endlastfoot\n"
            f"{rows}\\end{{longtable}}\n}}\n"
        )
    return (
        f"\\begin{{table}}\n\\centering\n{caption}\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{{kinds}}}\n{head}{rows}\\bottomrule\n\\end{{tabular}}}}\n"
        "\\end{table}\n"
    )


def _kind(column: pd.Series, texts: list[str]) -> str:
    if is_numeric(column):
        return "r"
    return "p{6cm}" if max(map(len, texts), default=0) > _WIDE else "l"


def latex_document(title: str, tables: list[str]) -> str:
    """Write a document that shows all tables.

    Args:
        title: title of the document.
        tables: names of the tables; ``NAME.tex`` must be in the folder of the document.
    """
    inputs = "".join(f"\\input{{{name}.tex}}\n\\clearpage\n" for name in tables)
    return (
        "% pdflatex all.tex\n\\documentclass{article}\n"
        "\\usepackage[a4paper, landscape, margin=1.5cm]{geometry}\n"
        "\\usepackage{booktabs}\n\\usepackage{graphicx}\n\\usepackage{longtable}\n"
        f"\\title{{{escape(title)}}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n"
        f"{inputs}\\end{{document}}\n"
    )
