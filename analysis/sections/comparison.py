"""Several studies side by side: their curves, their best ratios, and the differences in gain."""

import itertools
from dataclasses import replace
from functools import partial

import pandas as pd

from analysis.figures.study_curves import COLOURS, plot_study_curves
from analysis.page import Figure, Headline, Section, Table
from analysis.sections.all import StudyTables
from analysis.sections.answer import answer_rows
from analysis.sections.benchmark import BenchmarkTables
from analysis.sections.wording import INTERVAL, SAMPLE, listed
from analysis.study.arrays import Key
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names
from hybridir.errors import InputError
from hybridir.inference import holm
from hybridir.inference.between_studies import difference_of_gains
from hybridir.inference.scores import Scores

PURE = {0.0: "cross-lingual", 1.0: "monolingual"}


def check_comparable(studies: list[Study]) -> None:
    """Refuse studies that cannot be compared, before anything is computed or written.

    Raises:
        InputError: if there are too few or too many studies, one is named twice, or no two of
            them confirmed the same benchmark.
    """
    if len(studies) < 2:
        raise InputError(
            f"a comparison needs two studies, {studies[0].name!r} is one: name another study"
        )
    if len({study.name for study in studies}) < len(studies):
        raise InputError(
            f"{', '.join(study.name for study in studies)}: a study is named twice; its runs are "
            f"joined as {studies[0].name}@run-001,run-002 if they differ in their seeds alone, "
            "and are not compared"
        )
    if len(studies) > len(COLOURS):
        raise InputError(
            f"{len(studies)} studies were named, but one figure shows {len(COLOURS)} at most; "
            "compare fewer at a time"
        )
    confirmed_by = {study.name: confirmed.reported_benchmarks(study) for study in studies}
    reported = [benchmark for benchmarks in confirmed_by.values() for benchmark in benchmarks]
    if len(set(reported)) == len(reported):
        listed = "; ".join(
            f"{study}: {', '.join(benchmarks) or 'nothing'}"
            for study, benchmarks in confirmed_by.items()
        )
        raise InputError(
            f"these studies have no confirmed benchmark in common ({listed}): name studies that "
            "report on the same data"
        )


def compare(studies: list[StudyTables]) -> tuple[list[Headline], list[Section]]:
    """Put several studies side by side.

    Args:
        studies: two or more studies that pass `check_comparable`.

    Returns:
        A headline and a section for each benchmark that two or more studies confirmed.
    """
    by_benchmark: dict[str, dict[str, BenchmarkTables]] = {}
    for tables in studies:
        for benchmark in tables.benchmarks:
            by_benchmark.setdefault(benchmark.benchmark, {})[tables.study.name] = benchmark
    recorded = {tables.study.name: tables.study for tables in studies}
    headlines, sections = [], []
    for name, by_study in by_benchmark.items():
        if len(by_study) > 1:
            scores = {
                study: confirmed.confirmed_scores(recorded[study], name) for study in by_study
            }
            differences = _differences(scores)
            curves = pd.concat(
                [tables.curve.curve.assign(study=study) for study, tables in by_study.items()],
                ignore_index=True,
            )
            headline = _headline(name, by_study, differences)
            headlines.append(replace(headline, figure=_figure(name, by_study, curves)))
            sections.append(_section(name, curves, scores, differences))
    return headlines, sections


def _differences(scores: dict[str, dict[Key, Scores]]) -> pd.DataFrame:
    rows = []
    for first, second in itertools.combinations(scores, 2):
        for setting in names.SETTINGS:
            key = (names.AP, setting)
            if key not in scores[first] or key not in scores[second]:
                continue
            pair = scores[first][key], scores[second][key]
            common = set(pair[0].ratios) & set(pair[1].ratios)
            mixed = [ratio for ratio in sorted(common) if 0 < ratio < 1]
            hybrid = min(mixed, key=lambda ratio: abs(ratio - 0.5), default=None)
            for pure in PURE:
                if hybrid is None or pure not in common:
                    continue
                gains = difference_of_gains(*pair, hybrid, pure)
                if gains is not None:
                    rows.append(
                        {
                            "first": first,
                            "second": second,
                            "setting": setting,
                            "hybrid": hybrid,
                            "pure": pure,
                            "gain_first": gains.first,
                            "gain_second": gains.second,
                            "difference": gains.difference,
                            "low": gains.low,
                            "high": gains.high,
                            "p": gains.p,
                            "n_seeds": ", ".join(map(str, gains.n_seeds)),
                            "n_clusters": ", ".join(map(str, gains.n_clusters)),
                            "paired": "yes" if gains.paired else "no",
                            "seed_by_seed": "yes" if gains.seed_by_seed else "no",
                        }
                    )
    table = pd.DataFrame(rows)
    if not table.empty:
        table["p_holm"] = holm(table["p"].to_numpy())
    return table


def _section(
    benchmark: str,
    curves: pd.DataFrame,
    scores: dict[str, dict[Key, Scores]],
    differences: pd.DataFrame,
) -> Section:
    tables = [_curves_table(benchmark, curves)]
    if not differences.empty:
        tables.insert(0, _differences_table(benchmark, differences))
    return Section(f"Comparison on {benchmark}", _language_note(scores), tables=tables)


def _figure(benchmark: str, by_study: dict[str, BenchmarkTables], curves: pd.DataFrame) -> Figure:
    gains = pd.concat(
        [tables.curve.gains.assign(study=study) for study, tables in by_study.items()],
        ignore_index=True,
    )
    seeds = curves.groupby("study", sort=False)["n_seeds"].min()
    n = ", ".join(f"{study}: {count}" for study, count in seeds.items())
    caption = (
        f"mAP on {benchmark} over the mixing ratio. Lines are means over seeds, bands are the "
        "95 % intervals of each study's own report. Below: what hybrid batches gain over either "
        f"pure strategy in each study, with 95 % intervals.{hybrid_text(gains)} Seeds: {n}."
    )
    return Figure(f"studies-{benchmark}", partial(plot_study_curves, curves, gains), caption)


def hybrid_text(gains: pd.DataFrame) -> str:
    """Say which ratio stands for hybrid batches in each study.

    Args:
        gains: ``study, measure, hybrid``.

    Returns:
        A sentence, or two where the studies differ, with a space before it; "" without a gain.
    """
    shown = gains[gains["measure"] == names.AP]
    of_study = {
        str(study): listed([f"{ratio:g}" for ratio in sorted(set(rows["hybrid"]))])
        for study, rows in shown.groupby("study", sort=False)
    }
    if not of_study:
        return ""
    if len(set(of_study.values())) == 1:
        return f" Hybrid batches are those of α = {next(iter(of_study.values()))}."
    ratios = ", ".join(f"α = {ratio} in {study}" for study, ratio in of_study.items())
    return (
        f" Hybrid batches are, in each study, those of its ratio nearest to 0.5: {ratios}. The "
        "table of differences is of ratios that both studies have."
    )


def _language_note(scores: dict[str, dict[Key, Scores]]) -> list[str]:
    """Warn if the studies report on different languages."""
    languages = {
        study: {query for aligned in of_study.values() for query, _ in aligned.cells}
        for study, of_study in scores.items()
    }
    if len({frozenset(codes) for codes in languages.values()}) == 1:
        return []
    listed = "; ".join(
        f"{study}: {', '.join(sorted(codes))}" for study, codes in languages.items()
    )
    return [
        f"The studies report on different languages ({listed}), so their means and pools differ. "
        "Compare the shapes of the curves rather than their heights."
    ]


def _curves_table(benchmark: str, curves: pd.DataFrame) -> Table:
    columns = {
        "study": "study",
        "measure": "measure",
        "setting": "setting",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **INTERVAL,
        **SAMPLE,
    }
    order = ["study", *(column for column in curves if column != "study")]
    caption = "The confirmed curves, as in each study's own report."
    return Table(f"curves-{benchmark}", curves[order], columns, caption)


def _differences_table(benchmark: str, differences: pd.DataFrame) -> Table:
    columns = {
        "first": "first study",
        "second": "second study",
        "setting": "setting",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "gain_first": "first gain",
        "gain_second": "second gain",
        "difference": "difference",
        **INTERVAL,
        "p_holm": "p, Holm",
        **SAMPLE,
        "paired": "same questions",
        "seed_by_seed": "seed by seed",
    }
    caption = (
        "Difference between two studies in the gain of hybrid batches: hybrid minus pure, in "
        "mAP. Studies with common seeds and questions are compared seed by seed; elsewhere "
        "intervals are t intervals over seeds and clusters of questions with Welch's degrees of "
        "freedom. The hybrid ratio is the common one nearest to 0.5, chosen without the scores. "
        f"Holm's correction is over the {len(differences)} rows."
    )
    return Table(f"gain_differences-{benchmark}", differences, columns, caption)


def _headline(
    benchmark: str, by_study: dict[str, BenchmarkTables], differences: pd.DataFrame
) -> Headline:
    rows: list[dict[str, str]] = []
    for study, tables in by_study.items():
        curve = tables.curve
        answers = answer_rows(curve.curve, curve.gains, curve.optima)
        rows += [{"study": study, **row} for row in answers]
    # A study may lack a pure strategy, and so a column.
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    rows = [{heading: row.get(heading, "") for heading in headings} for row in rows]
    return Headline(
        sentence=_sentence(benchmark, differences),
        findings=["The best ratio and the gains of each study, from its own report, are below."],
        rows=rows,
        caveat=(
            "Brackets are the 95 % intervals of each study's own report. Studies may differ in "
            "more than one setting, so a difference does not show its cause."
        ),
    )


def _sentence(benchmark: str, differences: pd.DataFrame) -> str:
    if differences.empty:
        return (
            f"On {benchmark} the studies share no hybrid and pure ratio with enough seeds, so "
            "their gains cannot be compared."
        )
    clear = differences[differences["p_holm"] < 1 - 0.95]
    if clear.empty:
        return f"On {benchmark} these data do not distinguish the gains of the studies."
    largest = max(clear.to_dict("records"), key=lambda row: abs(row["difference"]))
    more, less = largest["first"], largest["second"]
    if largest["difference"] < 0:
        more, less = less, more
    return (
        f"On {benchmark} the gain of hybrid batches differs between studies in {len(clear)} of "
        f"{len(differences)} comparisons. The largest difference is over {PURE[largest['pure']]} "
        f"batches alone in the {names.LABELS[largest['setting']]} setting, where {more} gains "
        f"{abs(largest['difference']):.3f} mAP more than {less} (hybrid: α = "
        f"{largest['hybrid']:g} in both)."
    )
