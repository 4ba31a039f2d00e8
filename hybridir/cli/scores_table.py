"""The table of scores that `hybridir infer` reads: one row a question, cell and trial.

| column | content |
|---|---|
| mixing_ratio | share of monolingual batches, from 0 to 1 |
| seed | training seed |
| question_id, cluster | the question, and the article or other unit that it was drawn with |
| setting | monolingual, crosslingual, multilingual, or any other name |
| query_language, pool_language | the cell; `all` is the pool of all languages |
| value | the question's score |
| measure | optional: name of the measure |
| study | optional: name of the study, if a file has several |
| temperature, batch_size, pairs | optional: parameters that are crossed with the ratio |

A translation of a question has its id. All trials of a study must score the same questions in the
same cells. Without a column `cluster` each question is one of its own. Ratios count to six digits
and parameters to seven, so that numbers of single precision are those that were meant.

The inference sees a cluster as one number (`hybridir.inference.by_cluster`). A table of these, one
row a cluster, setting and trial, is a thousandth as large and gives the same answer, but for the
design effects: `by_cluster_table` makes it, and `read_scores` knows it by its columns, those above
without a question and a cell, and with `n_questions`, the number of the cluster's questions.

The Parquet file of a study's report tells the study's primary outcomes beside the table.

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.cli.scores_files import N_QUESTIONS, Key, limits_of, read_files
from hybridir.errors import InputError
from hybridir.inference import Condition
from hybridir.inference.by_cluster import score_by_cluster
from hybridir.inference.conditions import Level
from hybridir.inference.scores import Scores

_SHOWN = 3  # problems of one kind that a message lists
FIXED: Final = "fixed"
CROSSED: Final = "crossed with the ratio"
OWN: Final = "own of each ratio"


TrainedAt = Mapping[tuple[Condition, float], Mapping[str, Level]]
"""(condition, mixing ratio) -> parameters of its trials, the same names each."""


@dataclass(frozen=True)
class Parameter:
    """A parameter beside the mixing ratio at which scores hold.

    Attributes:
        name: one of `names.CONDITIONS`.
        role: `FIXED`, `CROSSED` with the ratio, or each ratio's `OWN`.
        values: its values, in order.
        of_ratio: mixing ratio -> value; empty if it is crossed.
    """

    name: str
    role: str
    values: tuple[float, ...]
    of_ratio: Mapping[float, float]


@dataclass(frozen=True)
class StudyScores:
    """The scores of one study.

    Attributes:
        name: name of the study.
        scores: (measure, setting) -> condition -> scores; of a table by cluster, each cluster is a
            question.
        n_questions: (measure, setting) -> number of questions.
        by_cluster: whether the table was one by cluster.
        parameters: those of the table beside the mixing ratio.
        notes: what the table lacks, a sentence each.
        primary: the primary outcomes that the study declared; None if it declared nothing.
        family: the studies that are tested together with it, itself included.
    """

    name: str
    scores: Mapping[Key, Mapping[Condition, Scores]]
    n_questions: Mapping[Key, int]
    by_cluster: bool
    parameters: tuple[Parameter, ...]
    notes: tuple[str, ...]
    primary: tuple[Key, ...] | None
    family: tuple[str, ...]

    @property
    def trained_at(self) -> TrainedAt:
        """The parameters of all trials."""
        of_ratio = {one.name: one.of_ratio for one in self.parameters if one.of_ratio}
        return {
            (condition, ratio): {
                **dict(condition),
                **{name: levels[ratio] for name, levels in of_ratio.items()},
            }
            for conditions in self.scores.values()
            for condition, scores in conditions.items()
            for ratio in scores.ratios
        }


def read_scores(*paths: Path, limits: tuple[float, float] | None = None) -> Iterator[StudyScores]:
    """Read a table of scores from one file, or from several.

    Rows of several files that name one study belong together: a later run has added seeds to it.

    Args:
        paths: Parquet files; or CSV files, by their ending.
        limits: lowest and highest possible value; None takes those of measures that hybridir
            knows, and no limits for others.

    Yields:
        The studies, in the order of the files.

    Raises:
        InputError: if a file, a column or a value cannot be used, or the trials of a study have
            different questions.
    """
    read = read_files(paths, limits)
    source = " and ".join(map(str, paths))
    for name, rows in read.rows.groupby(names.STUDY, sort=False, observed=True):
        parameters = _parameters(rows)
        crossed = [one.name for one in parameters if one.role == CROSSED]
        scores = _study_scores(rows, f"{source}, study {name}", limits, crossed, read.unused)
        by_cluster = N_QUESTIONS in rows
        counts = {
            key: len(next(iter(of_key.values())).questions) for key, of_key in scores.items()
        }
        if by_cluster:
            labels = [names.MEASURE, names.SETTING, names.CLUSTER]
            unique = rows.drop_duplicates(labels).groupby(labels[:2], observed=True)
            sums = unique[N_QUESTIONS].sum()
            counts = {key: int(sums[key]) for key in counts}
        study = str(name)
        yield StudyScores(
            study,
            scores,
            counts,
            by_cluster,
            parameters,
            read.notes,
            read.primary.get(study),
            read.family.get(study, (study,)),
        )


def by_cluster_table(
    name: str, scores: Mapping[Key, Mapping[Condition, Scores]], trained_at: TrainedAt
) -> pd.DataFrame:
    """Reduce the scores of a study to a number a cluster, setting and trial.

    The mean of the numbers is the mean over questions and cells, and their spread that of the
    clusters, so that the inference on them is the same. A number is no mean of scores where
    clusters differ in size, and may lie outside the measure's range.

    Args:
        name: name of the study.
        scores: (measure, setting) -> condition -> scores.
        trained_at: parameters, which get columns of their own.
    """
    tables = []
    for (measure, setting), conditions in scores.items():
        for condition, of_condition in conditions.items():
            numbers = score_by_cluster(of_condition)
            asked = ~np.isnan(of_condition.values).all(axis=(0, 1, 2))
            labels = of_condition.clusters or of_condition.questions
            clusters, sizes = np.unique(np.array(labels, dtype=object)[asked], return_counts=True)
            ratio, seed, cluster = np.nonzero(~np.isnan(numbers))
            levels = [trained_at[condition, one] for one in of_condition.ratios]
            tables.append(
                pd.DataFrame(
                    {
                        names.STUDY: name,
                        names.MEASURE: measure,
                        names.SETTING: setting,
                        **{
                            parameter: np.array([level[parameter] for level in levels])[ratio]
                            for parameter in levels[0]
                        },
                        names.MIXING_RATIO: np.array(of_condition.ratios)[ratio],
                        names.SEED: np.array(of_condition.seeds)[seed],
                        names.CLUSTER: clusters[cluster],
                        N_QUESTIONS: sizes[cluster],
                        names.VALUE: numbers[ratio, seed, cluster],
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def _parameters(table: pd.DataFrame) -> tuple[Parameter, ...]:
    """Say how each parameter goes with the mixing ratio.

    Where each ratio has one value of every parameter, there is a curve, and no crossing.
    """
    given = [name for name in names.CONDITIONS if name in table]
    points = table[[names.MIXING_RATIO, *given]].drop_duplicates()
    is_one_each = points[names.MIXING_RATIO].is_unique
    parameters = []
    for name in given:
        values = tuple(sorted(map(float, table[name].unique())))
        role = FIXED if len(values) == 1 else OWN if is_one_each else CROSSED
        pairs = zip(points[names.MIXING_RATIO], points[name], strict=True)
        of_ratio = {} if role == CROSSED else {float(ratio): float(at) for ratio, at in pairs}
        parameters.append(Parameter(name, role, values, of_ratio))
    return tuple(parameters)


def _study_scores(
    table: pd.DataFrame,
    label: str,
    limits: tuple[float, float] | None,
    crossed: list[str],
    unused: str,
) -> dict[Key, dict[Condition, Scores]]:
    scores: dict[Key, dict[Condition, Scores]] = {}
    for (measure, setting), rows in table.groupby(
        [names.MEASURE, names.SETTING], sort=False, observed=True
    ):
        key = (str(measure), str(setting))
        conditions = (
            {
                _condition(crossed, values): of_condition
                for values, of_condition in rows.groupby(crossed)
            }
            if crossed
            else {(): rows}
        )
        scores[key] = {
            condition: _scores(part, key, label, limits, unused)
            for condition, part in conditions.items()
        }
        _check_crossing(scores[key], f"{label}, {' '.join(key)}")
    return scores


def _condition(crossed: list[str], values: Any) -> Condition:
    """Name the values of the crossed parameters; whole numbers are integers."""
    return tuple(
        (name, int(value) if value == int(value) else float(value))
        for name, value in zip(crossed, values, strict=True)
    )


def _check_crossing(conditions: Mapping[Condition, Scores], label: str) -> None:
    first = next(iter(conditions.values()))
    layout = (first.questions, first.clusters, first.cells)
    for condition, scores in conditions.items():
        values = ", ".join(f"{name} {value}" for name, value in condition)
        missing = [f"{ratio:g}" for ratio in first.ratios if ratio not in scores.ratios]
        if missing or len(scores.ratios) != len(first.ratios):
            raise InputError(
                f"{label}: not every mixing ratio has been trained at {values}; the parameters "
                "must be crossed, each ratio with each of their values"
            )
        if (scores.questions, scores.clusters, scores.cells) != layout:
            raise InputError(f"{label}: other questions or cells were scored at {values}")
    sizes = [
        len({dict(condition)[name] for condition in conditions})
        for name, _ in next(iter(conditions))
    ]
    if len(conditions) != prod(sizes):
        raise InputError(
            f"{label}: {len(conditions)} of {prod(sizes)} combinations of the crossed parameters "
            "have scores; the parameters must be crossed, or each study be named in a column study"
        )


def _scores(
    rows: pd.DataFrame,
    key: Key,
    label: str,
    limits: tuple[float, float] | None,
    unused: str,
) -> Scores:
    """Lay out the rows of one measure, setting and condition as an array."""
    label = f"{label}, {' '.join(key)}"
    ratio_G, ratios = pd.factorize(rows[names.MIXING_RATIO], sort=True)
    seed_G, seeds = pd.factorize(rows[names.SEED], sort=True)
    question_G, questions = _codes(rows[names.QUESTION_ID])
    query_G, queries = _codes(rows[names.QUERY_LANGUAGE])
    pool_G, pools = _codes(rows[names.POOL_LANGUAGE])
    cell_G, cells = pd.factorize(query_G * len(pools) + pool_G, sort=True)
    shape = (len(ratios), len(seeds), len(cells), len(questions))
    flat_G = np.ravel_multi_index((ratio_G, seed_G, cell_G, question_G), shape)
    if len(np.unique(flat_G)) < len(flat_G):
        raise InputError(
            f"{label}: a question occurs more than once in a cell of a trial; one row a question, "
            "cell and trial is expected (name different studies in a column study)"
            + (f"; {unused}" if unused else "")
        )
    values = np.full(int(np.prod(shape)), np.nan)
    values[flat_G] = rows[names.VALUE].to_numpy()
    values = values.reshape(shape)
    present = ~np.isnan(values)
    trained = present.any(axis=(2, 3))
    first = present[tuple(np.argwhere(trained)[0])]
    uneven = [
        f"ratio {ratios[row]:g}, seed {int(seeds[column])}"
        for row, column in np.argwhere(trained)
        if not np.array_equal(present[row, column], first)
    ]
    if uneven:
        raise InputError(
            f"{label}: {len(uneven)} trials were scored on other questions than the first one "
            f"({'; '.join(uneven[:_SHOWN])}) and cannot be compared; keep the questions that all "
            "trials have"
        )
    return Scores(
        key[0],
        key[1],
        tuple(map(float, ratios)),
        tuple(map(int, seeds)),
        tuple((queries[cell // len(pools)], pools[cell % len(pools)]) for cell in cells),
        questions,
        values,
        _clusters(rows, question_G, len(questions), label),
        limits or limits_of(key[0]),
    )


def _clusters(
    rows: pd.DataFrame, question_G: NDArray[np.int64], n_questions: int, label: str
) -> tuple[str, ...]:
    cluster_G, clusters = _codes(rows[names.CLUSTER])
    of_question = np.empty(n_questions, dtype=np.int64)
    of_question[question_G] = cluster_G
    if (of_question[question_G] != cluster_G).any():
        raise InputError(f"{label}: a question is in two clusters; give it one")
    return tuple(clusters[index] for index in of_question)


def _codes(column: pd.Series) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the labels of a column; labels that do not occur have no number."""
    codes, present = pd.factorize(column.cat.codes.to_numpy(), sort=True)
    labels = column.cat.categories.astype(str).tolist()
    return codes.astype(np.int64), tuple(labels[int(index)] for index in present)
