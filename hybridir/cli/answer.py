"""The figures of `hybridir infer`: lists of rows, and sentences on what limits them."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hybridir import names
from hybridir.errors import InputError

if TYPE_CHECKING:
    from hybridir.cli.scores_table import StudyScores

_PRIMARY = ("map", names.AP)

FIGURES = ("curve", "gains", "optimum", "interactions", "design_effect")
LISTS = (*FIGURES, "parameters", "notes")
"""The lists of an answer."""

Rows = dict[str, list[dict[str, Any]]]


def answer_of(
    study: "StudyScores",
    hybrid: float | None,
    primary: str | None,
    source: str,
) -> Rows:
    """Compute the figures of one study.

    Args:
        study: its scores.
        hybrid: mixing ratio of hybrid batches; None takes the one nearest to .5.
        primary: setting of the primary outcome; None takes the outcomes that the study declared,
            or else the multilingual setting, or the first.
        source: the study in a message.

    Returns:
        The rows of each of `LISTS`, without Holm's correction, see `corrected`.

    Raises:
        InputError: if the study has no such ratio or setting.
    """
    from hybridir import inference

    main = _primary_keys(study, primary, source)
    rows: Rows = {name: [] for name in FIGURES}
    narrow: list[str] = []
    for key, conditions in study.scores.items():
        measure, setting = key
        label = {"setting": setting, "measure": measure}
        average = inference.average_conditions(conditions)
        generator = inference.generator_of(average)
        _check_hybrid(average.ratios, hybrid, source)
        replicates = inference.replicate(average, generator)
        for ratio, mean in zip(
            average.ratios, inference.mean_curve(average, replicates.by_cluster), strict=True
        ):
            rows["curve"].append(
                {
                    **label,
                    "mixing_ratio": ratio,
                    "mean": mean.estimate,
                    "low": mean.low,
                    "high": mean.high,
                    "n_seeds": mean.n_seeds,
                    "n_clusters": mean.n_clusters,
                    "n_questions": study.n_questions[key],
                }
            )
        for test in inference.compare_hybrid(average, replicates, generator, hybrid):
            rows["gains"].append(
                {
                    **label,
                    "hybrid": test.hybrid,
                    "pure": test.pure,
                    "difference": test.difference,
                    "low": test.low,
                    "high": test.high,
                    "p": test.p,
                    "n_seeds": test.n_seeds,
                    "n_clusters": test.n_clusters,
                }
            )
            interval = (test.difference, test.low, test.high, test.clusters_alone)
            if key in main and inference.is_narrow(*interval):
                narrow.append(
                    f"{key[0]} {key[1]}: the seeds agree on the gain over ratio {test.pure:g} by "
                    "chance, so that its interval is narrower than that over clusters alone, "
                    f"{test.difference:+.3f} ± {test.clusters_alone:.3f}; more seeds tell how "
                    "much they vary"
                )
        if len(average.ratios) > 1:
            best = inference.best_ratio(average, replicates)
            means = {row["mean"] for row in rows["curve"][-len(average.ratios) :]}
            rows["optimum"].append(
                {
                    **label,
                    # Of ratios that are all alike none is the best.
                    "best": best.ratio if len(means) > 1 else None,
                    "may_be_best": list(best.may_be_best),
                    "low": best.low,
                    "high": best.high,
                }
            )
        rows["interactions"] += [
            {**label, **entry._asdict()} for entry in inference.interactions(conditions, hybrid)
        ]
        if not study.by_cluster:
            rows["design_effect"] += [
                {**label, **effect._asdict()}
                for effect in inference.design_effects(average, hybrid)
            ]
    rows["parameters"] = [
        {"parameter": one.name, "role": one.role, "values": list(one.values)}
        for one in study.parameters
    ]
    rows["notes"] = [
        {"note": note} for note in dict.fromkeys((*_notes(study, rows, hybrid), *narrow))
    ]
    for row in rows["gains"]:
        row["primary"] = (row["measure"], row["setting"]) in main
    for row in rows["interactions"]:
        row["primary"] = False
    return rows


def corrected(answers: Sequence[Rows], families: Sequence[tuple[str, ...]]) -> list[Rows]:
    """Add Holm's p to the gains and interactions of all studies, and replace NaN by None.

    Args:
        answers: `answer_of` each study.
        families: the studies that each of them is tested with. As in a report, one correction is
            over the primary gains of a family, and one over all its other tests.

    Returns:
        The answers; the order is the same.
    """
    import numpy as np

    from hybridir.inference import holm

    tests: dict[tuple[tuple[str, ...], bool], list[dict[str, Any]]] = {}
    for answer, family in zip(answers, families, strict=True):
        for row in (*answer["gains"], *answer["interactions"]):
            tests.setdefault((family, row["primary"]), []).append(row)
    for rows in tests.values():
        adjusted = holm(np.array([row["p"] for row in rows]))
        for row, p in zip(rows, adjusted, strict=True):
            row["p_holm"] = float(p)
    return [_without_nan(answer) for answer in answers]


def _without_nan(rows: Rows) -> Rows:
    """Replace NaN, which JSON does not know, by None: the value is undefined."""
    return {
        name: [
            {key: None if value != value else value for key, value in row.items()}
            for row in of_name
        ]
        for name, of_name in rows.items()
    }


def _primary_keys(study: "StudyScores", primary: str | None, source: str) -> list[tuple[str, str]]:
    keys = list(study.scores)
    settings = list(dict.fromkeys(setting for _, setting in keys))
    if primary is not None and primary not in settings:
        raise InputError(
            f"--primary {primary}: {source} has no such setting; it has {', '.join(settings)}"
        )
    if study.primary is not None and primary is None:
        return [key for key in study.primary if key in keys]
    default = names.MULTILINGUAL if names.MULTILINGUAL in settings else settings[0]
    setting = primary or default
    measures = [measure for measure, of_key in keys if of_key == setting]
    return [(next((measure for measure in _PRIMARY if measure in measures), measures[0]), setting)]


def _check_hybrid(ratios: tuple[float, ...], hybrid: float | None, source: str) -> None:
    mixed = [ratio for ratio in ratios if 0 < ratio < 1]
    if hybrid is not None and hybrid not in mixed:
        listed = ", ".join(f"{ratio:g}" for ratio in mixed) or "none"
        raise InputError(
            f"--hybrid {hybrid:g}: mixing ratios between 0 and 1 of {source} are {listed}; name "
            "one of them"
        )


def _notes(study: "StudyScores", rows: Rows, hybrid: float | None) -> Iterator[str]:
    """Say what limits the answer."""
    import numpy as np

    from hybridir.cli.scores_table import OWN
    from hybridir.inference.scores import FEW_CLUSTERS

    yield from study.notes
    if own := [one.name.replace("_", " ") for one in study.parameters if one.role == OWN]:
        yield (
            f"each mixing ratio has its own {' and '.join(own)}: a gain is that of the ratio with "
            "it, not of the ratio alone"
        )
    clusters = min(row["n_clusters"] for row in rows["curve"])
    if clusters == 1:
        yield "with one cluster, a figure says nothing about other questions"
    elif clusters < FEW_CLUSTERS:
        yield f"{clusters} clusters are few; below {FEW_CLUSTERS} intervals may be too narrow"
    if min(row["n_seeds"] for row in (*rows["curve"], *rows["gains"])) == 1:
        yield "with one seed, a figure says nothing about how other seeds would do"
    for (measure, setting), conditions in study.scores.items():
        values = [scores.values for scores in conditions.values()]
        least, most = min(map(np.nanmin, values)), max(map(np.nanmax, values))
        if least == most:
            yield (
                f"{measure} {setting}: all scores are {least:g}; where nothing varies, an "
                "interval says nothing about other questions or seeds"
            )
        limits = next(iter(conditions.values())).limits or ()
        if not any(map(math.isfinite, limits)) and 0 <= least and most <= 1:
            yield (
                f"{measure}: its range is not known, so that an interval may leave it; name it "
                "with --range, such as 0,1"
            )
    yield from _not_compared(rows)
    if hybrid is None:
        yield from _equally_near(rows)


def _not_compared(rows: Rows) -> Iterator[str]:
    """Name the comparisons that are missing, or rest on some of the seeds alone."""
    seeds = {
        (row["measure"], row["setting"], row["mixing_ratio"]): row["n_seeds"]
        for row in rows["curve"]
    }
    tested = {(row["measure"], row["setting"], row["pure"]): row for row in rows["gains"]}
    for measure, setting in dict.fromkeys(key[:2] for key in seeds):
        ratios = [key[2] for key in seeds if key[:2] == (measure, setting)]
        if not any(0 < ratio < 1 for ratio in ratios):
            yield "no ratio lies between 0 and 1: nothing is compared with the pure strategies"
            continue
        for pure, name in ((0.0, "cross-lingual"), (1.0, "monolingual")):
            if pure not in ratios:
                yield f"ratio {pure:g} is absent: hybrid batches are not compared with {name} ones"
            elif (row := tested.get((measure, setting, pure))) is None:
                yield (
                    f"{measure} {setting}: ratio {pure:g} and the hybrid ratio have no seed in "
                    "common and are not compared; train all ratios with the same seeds"
                )
            else:
                most = max(seeds[measure, setting, ratio] for ratio in (pure, row["hybrid"]))
                if row["n_seeds"] < most:
                    yield (
                        f"the gain over ratio {pure:g} is over the {row['n_seeds']} seeds that "
                        f"both ratios have, the curve over up to {most}"
                    )


def _equally_near(rows: Rows) -> Iterator[str]:
    """Say which ratio was taken for hybrid batches where two are as near to .5."""
    ratios = {row["mixing_ratio"] for row in rows["curve"]}
    for chosen in sorted({row["hybrid"] for row in rows["gains"]} - {0.5}):
        if other := [ratio for ratio in ratios if math.isclose(ratio, 1 - chosen, rel_tol=1e-6)]:
            yield (
                f"ratios {chosen:g} and {other[0]:g} are equally near to 0.5: hybrid batches are "
                f"those of {chosen:g}; --hybrid {other[0]:g} takes the other ones"
            )
