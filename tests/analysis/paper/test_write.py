"""Files for a paper, compiled by a real engine in a two-column article of ACL's measures."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest
from pypdf import PdfReader

from analysis.figures.language_pairs import plot_language_pairs
from analysis.figures.ratio_curve import plot_ratio_curve
from analysis.figures.style import styled
from analysis.page import Figure, Page, Section, Table, draw
from analysis.paper.figures import WIDTHS, fitted
from analysis.paper.main_table import main_table
from analysis.paper.method import method_paragraph
from analysis.paper.write import write_paper
from analysis.sections.all import StudyTables
from analysis.sections.benchmark import BenchmarkTables
from analysis.sections.curve import CurveTables
from analysis.study.mlflow import Study
from hybridir import names
from tests.support.latex import compile_paper

ODD = '50 % of $x_1 & #2 {~^\\} <a|b> "q" α'
NONE = pd.DataFrame()
GAINS = pd.DataFrame(
    {
        **{"measure": names.AP, "setting": names.MULTILINGUAL, "hybrid": 0.5},
        **{"pure": [0.0, 1.0], "difference": [0.05, 0.15], "low": 0.02, "high": 0.2},
        "p_holm": 0.01,
    }
)


@pytest.fixture(scope="module")
def benchmark_tables(curve: pd.DataFrame) -> BenchmarkTables:
    curve_tables = CurveTables(curve, NONE, NONE, NONE, NONE, GAINS, NONE)
    point = "at temperature 0.05 and batch size 64"
    return BenchmarkTables("xquad-r", 3, point, curve_tables, None, None, None, None)


@pytest.fixture(scope="module")
def figures(curve: pd.DataFrame) -> list[Figure]:
    """The figure of the answer, two maps of eleven languages, and one with a wide legend."""
    seeds = pd.DataFrame(columns=["measure", "setting", names.MIXING_RATIO, names.SEED, "value"])
    fits = pd.DataFrame(
        columns=["measure", "setting", names.MIXING_RATIO, "fit", "fit_low", "fit_high"]
    )
    optima = pd.DataFrame(
        columns=["measure", "setting", "best", "may_be_best", "low", "high", "bounded"]
    ).astype({"bounded": bool})
    codes = [f"l{number:02d}" for number in range(11)]
    pairs = pd.DataFrame(
        [
            (ratio, a, b, 0.5 + ratio / 9)
            for ratio in (0.0, 0.5, 1.0)
            for a in codes
            for b in codes
        ],
        columns=[names.MIXING_RATIO, names.QUERY_LANGUAGE, names.POOL_LANGUAGE, "map"],
    )
    labels = [f"a name that is long, number {number}" for number in range(3)]
    lines = alt.Chart(pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3], "name": labels}))
    wide = lines.mark_line().encode(
        x="x:Q",
        y="y:Q",
        color=alt.Color("name:N").scale(domain=labels, range=["red", "green", "blue"]),
    )
    return [
        Figure("answer", lambda: plot_ratio_curve(curve, seeds, fits, optima, GAINS), ODD),
        Figure("maps", lambda: plot_language_pairs(pairs, 0.5, 0.5), ODD),
        Figure("legend", lambda: styled(wide.properties(width=500, height=200)), ODD),
    ]


@pytest.fixture(scope="module")
def paper(
    study: Study,
    benchmark_tables: BenchmarkTables,
    figures: list[Figure],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder, with its document."""
    long = pd.DataFrame({ODD: [ODD] * 119 + ["the last row"], "low": 0.25, "high": range(120)})
    broad = pd.DataFrame({f"column {number}": [ODD, "x", "y"] for number in range(14)})
    tables = [
        Table("long", long, {str(name): str(name) for name in long}, ODD),
        Table("broad", broad, {str(name): str(name) for name in broad}, ODD),
        Table("in_files_only", long, {}, "Not shown."),
    ]
    page = Page("a report", ODD, "", [], [], [Section("S", [], figures, tables)], [], [], "")
    results = StudyTables(study, [benchmark_tables], {}, None, None)
    return write_paper(page, [results], tmp_path_factory.mktemp("a paper")).parent


def test_figures_have_the_widths_of_a_column_and_of_the_text(paper: Path) -> None:
    for stem in ("answer", "maps", "legend"):
        for name, width in WIDTHS.items():
            (page,) = PdfReader(paper / "figures" / f"{stem}-{name}.pdf").pages
            # PDF points are 1/72 inch, TeX's 1/72.27.
            assert float(page.mediabox.width) == pytest.approx(width * 72 / 72.27, abs=0.05)
            assert float(page.mediabox.height) < 700, "no higher than a page"


def test_letters_of_figures_have_7_to_9_points(figures: list[Figure]) -> None:
    for figure in figures:
        for width in WIDTHS.values():
            points = width * 72 / 72.27
            pixels = points * 11 / 7
            shaped = fitted(figure.specification, pixels)
            assert draw.size(shaped)[0] <= pixels, "a figure is never shrunk to fit"
            drawing = draw.svg(shaped).decode()
            sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', drawing)]
            assert sizes
            assert 7 <= min(sizes) * points / pixels
            assert max(sizes) * points / pixels <= 9


def test_fonts_are_embedded_as_truetype_outlines(paper: Path) -> None:
    for file in (paper / "figures").glob("*.pdf"):
        fonts = [font for page in PdfReader(file).pages for font in _fonts(page)]
        assert fonts, f"{file.name} has no text"
        for font in fonts:
            # Type 42 in PostScript's terms: a TrueType font, in PDF a CIDFontType2.
            assert font["/Subtype"] == "/Type0"
            (described,) = font["/DescendantFonts"]
            assert described.get_object()["/Subtype"] == "/CIDFontType2"
            assert "/FontFile2" in described.get_object()["/FontDescriptor"].get_object()


def _fonts(page: Any) -> list[Any]:
    """Fonts of a page and of the forms that it draws, at any depth."""
    resources = page["/Resources"] if "/Resources" in page else {}
    fonts = resources["/Font"] if "/Font" in resources else {}
    drawn = resources["/XObject"] if "/XObject" in resources else {}
    return [*(fonts[name] for name in fonts), *(f for name in drawn for f in _fonts(drawn[name]))]


def test_the_main_table_has_means_intervals_the_best_in_bold_and_published_rows(
    benchmark_tables: BenchmarkTables,
) -> None:
    table = main_table(benchmark_tables, names.AP)
    rows = [line for line in table.splitlines() if " & " in line]
    assert rows[0] == "$\\alpha$ & mono. & cross. & multi. & rank dist.\\,$\\downarrow$ \\\\"
    # The curve of the fixture: .75 within a language at 1, .50 across at 0, .45 in the pool at .5;
    # rank distances of 10, 20 and 200.
    best = re.findall(r"\\textbf\{([^}]*)\}", table)
    assert best == [".500", "10.0", ".450", ".750"]
    means = rows[3].replace("\\underline{", "").replace("}", "")
    assert means.startswith(".5 & .700 & .480 & \\textbf{.450 & 20.0")
    assert rows[4].count("\\scriptsize [") == 4
    assert ".5 & .7977 & .7053 & .5927 & 286.6 \\\\" in rows, "arXiv 2408.10536, tables 3 and 7"
    assert table.count("Published, ") == 2, "XLM-R and LaBSE"
    assert main_table(benchmark_tables, names.SET_F1) == "", "not measured"


def test_the_method_is_a_paragraph(paper: Path) -> None:
    text = (paper / "method.tex").read_text()
    assert text.startswith("\\paragraph{Method.} We trained its encoder on its data.")
    assert "At each $\\alpha$ of 0, 0.5 and 1 we trained 3 encoders with different seeds" in text
    assert (
        "A search of 4 trials chose the other parameters by dev/\\allowbreak{}map\\_mean" in text
    )
    assert "The planned tests are of mAP in the multilingual setting" in text
    assert "xquad-r: 3 languages and 12 questions in 12 clusters" in text
    assert "by crossed random effects: t intervals, and score intervals of levels near" in text
    assert "one-sided at .05, with a critical value from a hierarchical bootstrap (4,000" in text


def test_the_method_states_every_value_that_was_crossed_and_files_without_their_folders(
    study: Study,
) -> None:
    text = (
        "encoder: {path: /home/me/encoders/small}\ntraining: {pairs: 19200}\n"
        "train: {mix: [{table: {path: /home/me/train.csv}}, {lareqa: {name: mlqa-r}}]}\n"
    )
    confirmed = study.trials[study.trials["phase"] == names.PHASE_CONFIRM]
    crossed = pd.concat([confirmed.assign(pairs=pairs) for pairs in (1600, 3200)])
    crossed["batch_size"] = crossed[names.MIXING_RATIO].map({0.0: 32, 0.5: 64, 1.0: 128})
    parameters = (*study.parameters, names.PAIRS)
    made = replace(study, text=text, trials=crossed, parameters=parameters)
    paragraph = method_paragraph(StudyTables(made, [], {}, None, None))
    assert "We trained small on train.csv and mlqa-r with 1,600 and 3,200 pairs." in paragraph
    assert (
        "At each combination of $\\alpha$ (0, 0.5 and 1) and training pairs (1,600 and 3,200) we "
        "trained 3 encoders with different seeds at temperature 0.05. Figures are means over "
        "training pairs unless they say otherwise. Each $\\alpha$ has its own batch size: 32 "
        "($\\alpha$ = 0), 64 ($\\alpha$ = 0.5) and 128 ($\\alpha$ = 1)."
    ) in paragraph
    assert "19,200" not in paragraph, "the default, which no trial had"
    assert "home" not in paragraph
    software = {names.TAG_VERSIONS: "torch 2.13.0", names.TAG_COMMIT: "0123456789abcdef"}
    made = replace(made, provenance=software)
    paragraph = method_paragraph(StudyTables(made, [], {}, None, None))
    assert "Software: torch 2.13.0 (hybridir at commit 0123456789ab)." in paragraph


def test_a_paper_of_one_ratio_compares_nothing(
    study: Study, benchmark_tables: BenchmarkTables
) -> None:
    curve = benchmark_tables.curve.curve
    alone = curve[curve[names.MIXING_RATIO] == 0.5].assign(may_be_best=True)
    tables = benchmark_tables._replace(
        curve=benchmark_tables.curve._replace(curve=alone, gains=NONE)
    )
    paragraph = method_paragraph(StudyTables(study, [tables], {}, None, None))
    assert "We report on xquad-r" in paragraph
    for words in ("may be the best", "planned tests", "Differences are paired"):
        assert words not in paragraph
    table = main_table(tables, names.AP).partition("\\midrule\n\\multicolumn")[0]
    assert ".450" in table
    for words in ("textbf", "underline", "Bold"):
        assert words not in table


@pytest.mark.slow
def test_everything_compiles_in_two_columns_without_an_overfull_line(paper: Path) -> None:
    text = compile_paper(paper)
    assert "the last row" in text, "a long table goes on to further pages"
    assert "Not shown." not in text
