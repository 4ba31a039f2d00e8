r"""Writes tables in LaTeX, with booktabs, and a document that shows them all.

Every table is a file to ``\input``. A paper needs the packages ``booktabs``, ``graphicx`` and,
for tables longer than a page, ``longtable``. Texts are escaped for pdfTeX and its standard fonts.
"""

import re
import unicodedata
from typing import Final

from analysis.page.model import Table
from analysis.page.shown import Column, shown_columns

_LONG: Final = 40  # rows; a longer table may break between pages
_OF_A_PAGE: Final = 50  # rows of a page over both columns
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
    columns, caption = _shown(table)
    kinds, head, rows = _parts(columns)
    titled = f"\\caption{{{caption}}}\n\\label{{tab:{table.name}}}"
    if len(rows) > _LONG:
        return (
            f"{{\\scriptsize\n\\setlength{{\\tabcolsep}}{{3pt}}\n\\begin{{longtable}}{{{kinds}}}\n"
            f"{titled} \\\\\n{head}\\endfirsthead\n{head}\\endhead\n\\bottomrule\n\\endlastfoot\n"
            f"{''.join(rows)}\\end{{longtable}}\n}}\n"
        )
    return (
        f"\\begin{{table}}\n\\centering\n{titled}\n{_no_wider('linewidth')}"
        f"\\begin{{tabular}}{{{kinds}}}\n{head}{''.join(rows)}\\bottomrule\n\\end{{tabular}}}}\n"
        "\\end{table}\n"
    )


def to_wide_latex(table: Table) -> list[str]:
    """Write a table over both columns of a page, in pieces that fit a page each.

    Returns:
        A ``table*`` a piece; the first has the label ``tab:NAME``.
    """
    columns, caption = _shown(table)
    kinds, head, rows = _parts(columns)
    pieces = []
    for start in range(0, max(len(rows), 1), _OF_A_PAGE):
        body = "".join(rows[start : start + _OF_A_PAGE])
        titled = f"\\caption{{{caption}}}\n\\label{{tab:{table.name}}}"
        if start:
            titled = (
                f"\\addtocounter{{table}}{{-1}}\n\\caption{{{caption.split('. ')[0]}, continued.}}"
            )
        pieces.append(
            f"\\begin{{table*}}[p]\n\\centering\n\\scriptsize\n\\setlength{{\\tabcolsep}}{{3pt}}\n"
            f"{titled}\n{_no_wider('textwidth')}"
            f"\\begin{{tabular}}{{{kinds}}}\n{head}{body}\\bottomrule\n\\end{{tabular}}}}\n"
            "\\end{table*}\n"
        )
    return pieces


def _shown(table: Table) -> tuple[list[Column], str]:
    columns, shared = shown_columns(table)
    return columns, escape(f"{table.caption} {shared}".rstrip())


def _parts(columns: list[Column]) -> tuple[str, str, list[str]]:
    """Write the kinds of the columns, the head, and the rows of a ``tabular``."""
    kinds = "".join(map(_kind, columns))
    top = " & ".join(escape(column.heading) for column in columns)
    texts = [column.texts for column in columns]
    rows = [f"{' & '.join(map(escape, row))} \\\\\n" for row in zip(*texts, strict=True)]
    return kinds, f"\\toprule\n{top} \\\\\n\\midrule\n", rows


def _no_wider(line: str) -> str:
    """Begin a box that is shrunk to a line if it is wider."""
    return f"\\resizebox{{\\ifdim\\width>\\{line}\\{line}\\else\\width\\fi}}{{!}}{{%\n"


def _kind(column: Column) -> str:
    if column.numeric:
        return "r"
    return "p{6cm}" if max(map(len, column.texts), default=0) > _WIDE else "l"


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
