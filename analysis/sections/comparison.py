"""Several studies side by side: their curves, their best ratios, and how their gains differ."""

import itertools
from dataclasses import dataclass

import pandas as pd
from statsmodels.stats.multitest import multipletests

from analysis.figures.study_curves import COLOURS, study_curves
from analysis.page.model import Figure, Headline, Section, Table
from analysis.study.arrays import Key
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names
from hybridir.errors import InputError
from hybridir.inference.between_studies import difference_of_gains
from hybridir.inference.scores import Scores

PURE = {0.0: "cross-lingual", 1.0: "monolingual"}


@dataclass(frozen=True)
class Reported:
    """A study with all that its own report says."""

    study: Study
    headlines: list[Headline]
    sections: list[Section]

    def table(self, name: str) -> pd.DataFrame | None:
        """Find the data of a table of the report."""
        found = (table for section in self.sections for table in section.tables)
        return next((table.data for table in found if table.name == name), None)


def check_comparable(studies: list[Study]) -> None:
    """Refuse studies that cannot be compared, before anything is computed or written.

    Raises:
        InputError: if there are too few or too many, or no benchmark was confirmed by two of them.
    """
    if len(studies) < 2:
        raise InputError(f"a comparison needs two studies, {studies[0].name!r} is one")
    if len(studies) > len(COLOURS):
        raise InputError(
            f"{len(studies)} studies were named: at most {len(COLOURS)} can be told apart in one "
            "figure; compare fewer at a time"
        )
    found = {study.name: confirmed.reported_benchmarks(study) for study in studies}
    reported = [benchmark for benchmarks in found.values() for benchmark in benchmarks]
    if len(set(reported)) == len(reported):
        each = "; ".join(
            f"{name}: {', '.join(benchmarks) or 'nothing'}" for name, benchmarks in found.items()
        )
        raise InputError(
            f"these studies have no benchmark in common that was confirmed ({each}): name studies "
            "that report on the same data"
        )


def compare(reported: list[Reported]) -> tuple[list[Headline], list[Section]]:
    """Put several studies side by side.

    Args:
        reported: two or more, that `check_comparable` lets pass.

    Returns:
        What the comparison comes to, a headline a benchmark, and a section a benchmark.
    """
    by_benchmark: dict[str, list[Reported]] = {}
    for one in reported:
        for benchmark in confirmed.reported_benchmarks(one.study):
            if one.table(names.curve_table(benchmark)) is not None:
                by_benchmark.setdefault(benchmark, []).append(one)
    shared = {benchmark: several for benchmark, several in by_benchmark.items() if several[1:]}
    made = [_benchmark(benchmark, several) for benchmark, several in shared.items()]
    return [headline for headline, _ in made], [section for _, section in made]


def _benchmark(benchmark: str, several: list[Reported]) -> tuple[Headline, Section]:
    curves = pd.concat(
        [
            table.assign(study=one.study.name)
            for one in several
            if (table := one.table(names.curve_table(benchmark))) is not None
        ],
        ignore_index=True,
    )
    scores = {one.study.name: confirmed.confirmed_scores(one.study, benchmark) for one in several}
    differences = _differences(scores)
    seeds = curves.groupby("study", sort=False)["n_seeds"].min()
    n = ", ".join(f"{study}: {count}" for study, count in seeds.items())
    caption = (
        f"mAP on {benchmark} over the mixing ratio; lines are means over seeds, bands the 95 % "
        f"intervals of each study's own report. Seeds: {n}."
    )
    figures = [Figure(f"studies-{benchmark}", study_curves(curves).to_dict(), caption)]
    tables = [_curves(benchmark, curves)]
    if not differences.empty:
        tables.insert(0, _differences_table(benchmark, differences))
    languages = {
        name: {query for found in of_study.values() for query, _ in found.cells}
        for name, of_study in scores.items()
    }
    section = Section(f"Compared on {benchmark}", _fair(languages), figures=figures, tables=tables)
    return _headline(benchmark, several, differences), section


def _differences(scores: dict[str, dict[Key, Scores]]) -> pd.DataFrame:
    rows = []
    for one, other in itertools.combinations(scores, 2):
        for setting in names.SETTINGS:
            key = (names.AP, setting)
            if key not in scores[one] or key not in scores[other]:
                continue
            first, second = scores[one][key], scores[other][key]
            common = set(first.ratios) & set(second.ratios)
            mixed = [ratio for ratio in sorted(common) if 0 < ratio < 1]
            hybrid = min(mixed, key=lambda ratio: abs(ratio - 0.5), default=None)
            for pure in PURE:
                if hybrid is None or pure not in common:
                    continue
                found = difference_of_gains(first, second, hybrid, pure)
                if found is not None:
                    seeds, questions = found.n_seeds, found.n_questions
                    rows.append(
                        {
                            "first": one,
                            "second": other,
                            "setting": setting,
                            "hybrid": hybrid,
                            "pure": pure,
                            "gain_first": found.first,
                            "gain_second": found.second,
                            "difference": found.difference,
                            "low": found.low,
                            "high": found.high,
                            "p": found.p,
                            "n_seeds": f"{seeds[0]}, {seeds[1]}",
                            "n_questions": f"{questions[0]}, {questions[1]}",
                            "paired": "yes" if found.paired else "no",
                        }
                    )
    table = pd.DataFrame(rows)
    if not table.empty:
        table["p_holm"] = multipletests(table["p"], method="holm")[1]
    return table


def _differences_table(benchmark: str, differences: pd.DataFrame) -> Table:
    columns = {
        "first": "study",
        "second": "other study",
        "setting": "setting",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "gain_first": "gain",
        "gain_second": "gain of the other",
        "difference": "difference",
        "low": "95 % from",
        "high": "95 % to",
        "p_holm": "p (Holm)",
        "n_seeds": "seeds",
        "n_questions": "questions",
        "paired": "same questions",
    }
    caption = (
        "By how much the gain of hybrid batches in mAP, hybrid minus pure, differs between "
        "studies: t intervals over seeds and questions, Welch's degrees of freedom. The hybrid "
        "ratio is the one nearest to 0.5 that both studies have, chosen without looking at "
        f"scores; p is adjusted by Holm's method over the {len(differences)} rows."
    )
    return Table(f"gain_differences-{benchmark}", differences, columns, caption)


def _curves(benchmark: str, curves: pd.DataFrame) -> Table:
    columns = {
        "study": "study",
        "measure": "measure",
        "setting": "setting",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        "low": "95 % from",
        "high": "95 % to",
        "n_seeds": "seeds",
        "n_questions": "questions",
    }
    order = ["study", *(column for column in curves if column != "study")]
    caption = "The confirmed curves, as in each study's own report."
    return Table(f"curves-{benchmark}", curves[order], columns, caption)


def _fair(languages: dict[str, set[str]]) -> list[str]:
    """Say what makes two studies hard to compare."""
    if len({frozenset(found) for found in languages.values()}) == 1:
        return []
    listed = "; ".join(f"{name}: {', '.join(sorted(found))}" for name, found in languages.items())
    return [
        f"The studies report on different languages ({listed}), so that their means and pools are "
        "not the same; compare how each curve changes rather than how high it is."
    ]


def _headline(benchmark: str, several: list[Reported], differences: pd.DataFrame) -> Headline:
    rows: list[dict[str, str]] = []
    for one in several:
        place = [
            name
            for name in confirmed.reported_benchmarks(one.study)
            if one.table(names.curve_table(name)) is not None
        ].index(benchmark)
        rows += [{"study": one.study.name, **row} for row in one.headlines[place].rows]
    # Studies may lack a pure strategy, and so a column.
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    rows = [{heading: row.get(heading, "") for heading in headings} for row in rows]
    return Headline(
        _sentence(benchmark, differences),
        "Each study's best ratio and gains, as its own report has them:",
        rows,
        "Brackets are the 95 % intervals of each study's own report. Studies differ in more than "
        "one thing unless their files say otherwise, so a difference is not yet a cause.",
    )


def _sentence(benchmark: str, differences: pd.DataFrame) -> str:
    if differences.empty:
        return (
            f"On {benchmark} the studies share no hybrid and pure ratio with seeds enough, so "
            "their gains cannot be compared."
        )
    certain = differences[differences["p_holm"] < 1 - 0.95]
    if certain.empty:
        return f"On {benchmark} these data do not tell the studies' gains of hybrid batches apart."
    largest = max(certain.to_dict("records"), key=lambda row: abs(row["difference"]))
    first, second = largest["first"], largest["second"]
    if largest["difference"] < 0:
        first, second = second, first
    return (
        f"On {benchmark} the gain of hybrid batches differs between studies in {len(certain)} of "
        f"{len(differences)} comparisons; most over {PURE[largest['pure']]} batches alone in the "
        f"{names.LABELS[largest['setting']]} setting, where {first} gains "
        f"{abs(largest['difference']):.3f} mAP more than {second}."
    )
