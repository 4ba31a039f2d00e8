"""The sections of a table of scores, which anyone's trainer may have made.

They are those of a study that need scores alone. A table by cluster has no languages and no
questions, and so neither gains by language nor design effects.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from analysis.page import Headline, Section
from analysis.sections.benchmark import (
    BenchmarkTables,
    benchmark_sections,
    corrected,
    measure_scores,
)
from analysis.study.arrays import KEYS, Key
from analysis.study.design import StudyDesign, point_text
from hybridir import names
from hybridir.cli.scores_table import CROSSED, FIXED, OWN, StudyScores
from hybridir.errors import InputError
from hybridir.inference import Condition
from hybridir.inference.scores import Scores

_DEFAULT_PRIMARY = (names.AP, names.MULTILINGUAL)
_MEASURES = {measure for measure, _ in KEYS}
_SEPARATORS = re.compile(r"[/\\:]+")
_BY_MEAN = {mean: name for name, mean in names.MEAN_NAMES.items()} | {"f1": names.SET_F1}


def table_sections(
    studies: Iterable[StudyScores], generator: np.random.Generator
) -> tuple[list[Headline], list[Section]]:
    """Report a table of scores; each study of the table stands where a benchmark stands.

    Args:
        studies: the studies, of which one after the other is in memory.
        generator: source of all draws.

    Returns:
        A headline of each study, and the sections.

    Raises:
        InputError: if a measure or setting is not one of a report, or mAP is absent.
    """
    measured: dict[tuple[str, ...], list[BenchmarkTables]] = {}
    primary: dict[str, list[Key]] = {}
    for study in studies:
        tables = _measure(study, generator)
        optima = tables.curve.optima
        keys = list(zip(optima["measure"], optima["setting"], strict=True))
        if study.primary is not None:
            declared = [_known(key, study.name) for key in study.primary]
            primary[tables.benchmark] = [key for key in declared if key in keys]
        else:
            primary[tables.benchmark] = (
                [_DEFAULT_PRIMARY] if _DEFAULT_PRIMARY in keys else keys[:1]
            )
        measured.setdefault(study.family, []).append(tables)
    shown = [
        benchmark_sections(tables, primary[tables.benchmark])
        for family in measured.values()
        for tables in corrected(family, {one.benchmark: primary[one.benchmark] for one in family})
    ]
    headlines = [headline for headline, _ in shown]
    return headlines, [section for _, of_study in shown for section in of_study]


def _measure(study: StudyScores, generator: np.random.Generator) -> BenchmarkTables:
    tables = measure_scores(
        _SEPARATORS.sub("-", study.name),  # names files
        {_known(key, study.name): _renamed(of_key, key) for key, of_key in study.scores.items()},
        generator,
        point=point_text(_design(study)),
        seen=None,
    )
    if tables is None:
        measures = ", ".join(dict.fromkeys(measure for measure, _ in study.scores))
        raise InputError(
            f"study {study.name}: a report is about mAP (measure {names.AP} or map), and the "
            f"table has {measures}; hybridir infer judges any measure"
        )
    return _without_questions(tables, study) if study.by_cluster else tables


def _known(key: Key, study: str) -> Key:
    """The key by the names of a report."""
    measure, setting = _BY_MEAN.get(key[0], key[0]), key[1]
    for kind, name, legal in (
        ("measure", measure, sorted(_MEASURES)),
        ("setting", setting, list(names.SETTINGS)),
    ):
        if name not in legal:
            raise InputError(
                f"study {study}: {kind} {name!r} is not one of a report; legal are "
                f"{', '.join(legal)}. hybridir infer judges any {kind}"
            )
    return measure, setting


def _renamed(conditions: Mapping[Condition, Scores], key: Key) -> dict[Condition, Scores]:
    measure = _BY_MEAN.get(key[0], key[0])
    return {at: replace(scores, measure=measure) for at, scores in conditions.items()}


def _design(study: StudyScores) -> StudyDesign:
    def of_role(role: str) -> dict[str, list[float | int]]:
        return {
            one.name: [int(value) if value == int(value) else value for value in one.values]
            for one in study.parameters
            if one.role == role
        }

    fixed = {name: values[0] for name, values in of_role(FIXED).items()}
    return StudyDesign(of_role(CROSSED), tuple(of_role(OWN)), fixed)


def _without_questions(tables: BenchmarkTables, study: StudyScores) -> BenchmarkTables:
    """Leave out what a number a cluster does not tell, and count the questions behind it."""
    counts = {_known(key, study.name): count for key, count in study.n_questions.items()}
    curve = tables.curve
    counted = {
        name: table.assign(
            n_questions=[
                counts[key] for key in zip(table["measure"], table["setting"], strict=True)
            ]
        )
        for name, table in (("curve", curve.curve), ("optima", curve.optima))
    }
    curve = curve._replace(pairs=curve.pairs.iloc[:0], effects=curve.effects.iloc[:0], **counted)
    return tables._replace(curve=curve, languages=None)
