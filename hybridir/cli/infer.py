"""The command `hybridir infer`: the report's inference on anyone's scores.

hybridir infer scores.parquet
hybridir infer scores.parquet --primary multilingual --range 0,1 --json answer.json
hybridir infer results/demo/run-001/report/scores.parquet --out tables --by-cluster small.parquet
hybridir infer small.parquet

The table is described in `hybridir.cli.scores_table`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write, check_file, check_folder

if TYPE_CHECKING:
    import pandas as pd

    from hybridir.cli.scores_table import StudyScores

console = Console()
_PRIMARY = ("map", names.AP)

Rows = dict[str, list[dict[str, Any]]]


def infer(
    scores: Annotated[
        Path, typer.Argument(help="Table of scores: Parquet, or CSV by its ending (see docs).")
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write each list of figures to this folder, as CSV.")
    ] = None,
    by_cluster: Annotated[
        Path | None,
        typer.Option(help="Write the scores to this Parquet file, a number a cluster and trial."),
    ] = None,
    hybrid: Annotated[
        float | None,
        typer.Option(help="Ratio of hybrid batches, between 0 and 1. Default: nearest to 0.5."),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(help="Setting of the primary outcome. Default: multilingual, or the first."),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option("--range", metavar="LOW,HIGH", help="Lowest and highest possible value."),
    ] = None,
) -> None:
    """Judge scores of hybrid, monolingual and cross-lingual batches from any trainer.

    Shows the curve over the mixing ratio, what hybrid batches gain, which ratios may be best, and
    whether that changes with temperature, batch size or budget; all for other seeds and other
    clusters of questions.
    """
    from hybridir.cli.scores_table import by_cluster_table, read_scores

    limits = _limits(value_range)
    if json_file is not None:
        check_file("--json", json_file)
    if out is not None:
        check_folder("--out", out)
    if by_cluster is not None:
        check_file("--by-cluster", by_cluster)
    answers = []
    reduced = []
    studies = 0
    for study in read_scores(scores, limits):
        studies += 1
        answer = _answer(study, hybrid, primary, f"{scores}, study {study.name}")
        if by_cluster is not None:
            reduced.append(by_cluster_table(study))
        answers.append({"study": study.name, **_without_nan(answer)})
    if json_file is not None:
        _write(json_file, json.dumps({"studies": answers}, indent=1) + "\n")
    if out is not None:
        _write_tables(out, answers)
    if by_cluster is not None:
        _write_parquet(by_cluster, reduced)
    if len(answers) == 1:
        _show(answers[0])
    else:
        _say(f"{studies} studies")
    for label, path in (("figures", json_file), ("tables", out), ("by cluster", by_cluster)):
        if path is not None:
            _say(f"{label}: {path}")


def _limits(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not low < high:
        raise InputError(f"--range {text}: expected two numbers, the lower first, such as 0,1")
    return low, high


def _answer(
    study: "StudyScores",
    hybrid: float | None,
    primary: str | None,
    source: str,
) -> Rows:
    """Compute the figures of one study, a list of rows for each kind."""
    from hybridir import inference

    main = _primary_key(list(study.scores), primary, source)
    rows: Rows = {
        name: [] for name in ("curve", "gains", "optimum", "interactions", "design_effect")
    }
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
                    "estimate": test.difference,
                    "low": test.low,
                    "high": test.high,
                    "p": test.p,
                    "n_seeds": test.n_seeds,
                    "n_clusters": test.n_clusters,
                }
            )
        best = inference.best_ratio(average, replicates)
        rows["optimum"].append(
            {
                **label,
                "best": best.ratio,
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
    rows["notes"] = [{"note": note} for note in _notes(rows)]
    _adjust(rows["gains"], [(row["measure"], row["setting"]) == main for row in rows["gains"]])
    _adjust(rows["interactions"], [False] * len(rows["interactions"]))
    return rows


def _without_nan(rows: Rows) -> Rows:
    """Replace NaN, which JSON does not know, by None: the value is undefined."""
    return {
        name: [
            {key: None if value != value else value for key, value in row.items()}
            for row in of_name
        ]
        for name, of_name in rows.items()
    }


def _primary_key(keys: list[tuple[str, str]], primary: str | None, source: str) -> tuple[str, str]:
    settings = list(dict.fromkeys(setting for _, setting in keys))
    if primary is not None and primary not in settings:
        raise InputError(
            f"--primary {primary}: {source} has no such setting; it has {', '.join(settings)}"
        )
    default = names.MULTILINGUAL if names.MULTILINGUAL in settings else settings[0]
    setting = primary or default
    measures = [measure for measure, of_key in keys if of_key == setting]
    return next((measure for measure in _PRIMARY if measure in measures), measures[0]), setting


def _check_hybrid(ratios: tuple[float, ...], hybrid: float | None, source: str) -> None:
    mixed = [ratio for ratio in ratios if 0 < ratio < 1]
    if hybrid is not None and hybrid not in mixed:
        listed = ", ".join(f"{ratio:g}" for ratio in mixed) or "none"
        raise InputError(
            f"--hybrid {hybrid:g}: mixing ratios between 0 and 1 of {source} are {listed}; name "
            "one of them"
        )


def _adjust(rows: list[dict[str, Any]], is_primary: list[bool]) -> None:
    """Add Holm's p to each row: over the primary rows, and over all others."""
    import numpy as np

    from hybridir.inference import holm

    for family in (True, False):
        members = [row for row, flag in zip(rows, is_primary, strict=True) if flag == family]
        adjusted = holm(np.array([row["p"] for row in members]))
        for row, p in zip(members, adjusted, strict=True):
            row |= {"p_adjusted": float(p), "primary": family}


def _write(path: Path, text: str) -> None:
    try:
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); name another place"
        ) from None


def _write_parquet(path: Path, tables: "list[pd.DataFrame]") -> None:
    import pandas as pd

    with atomic_write(path) as partial:
        pd.concat(tables, ignore_index=True).to_parquet(partial, index=False, compression="zstd")


def _write_tables(folder: Path, answers: list[dict[str, Any]]) -> None:
    import pandas as pd

    for name in answers[0]:
        if name == "study":
            continue
        rows = [{"study": answer["study"], **row} for answer in answers for row in answer[name]]
        _write(folder / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))


def _show(answer: dict[str, Any]) -> None:
    """Print the answer of one study, of several measures that of the primary one."""
    primary = {row["measure"] for row in answer["gains"] if row["primary"]}
    measures = list(dict.fromkeys(row["measure"] for row in answer["curve"]))
    shown = primary or {measures[0]}
    rows = {
        name: [row for row in answer[name] if row["measure"] in shown]
        for name in ("curve", "gains", "optimum", "interactions")
    }
    console.print(_table("Curve", rows["curve"], "mixing_ratio", "mean"))
    if rows["gains"]:
        console.print(_table("Hybrid minus pure", rows["gains"], "hybrid", "pure", "estimate"))
    console.print(_table("Optimum", rows["optimum"], "best", "may_be_best"))
    if rows["interactions"]:
        columns = ("parameter", "first", "second", "pure", "estimate")
        console.print(_table("Change of the gain", rows["interactions"], *columns))
    if len(measures) > 1:
        _say(
            f"{len(measures)} measures; --json and --out have all of them, here is the primary one"
        )
    effects = [row["value"] for row in answer["design_effect"] if row["value"] is not None]
    if effects:
        clusters = min(row["n_clusters"] for row in answer["curve"])
        _say(
            f"{clusters:,} clusters of questions; design effect {min(effects):.2f} to "
            f"{max(effects):.2f} (variance by cluster over that of independent questions)"
        )
    for note in answer["notes"]:
        _say(f"warning: {note['note']}")


def _notes(rows: Rows) -> list[str]:
    """Say what limits the answer."""
    from hybridir.inference.scores import FEW_CLUSTERS

    notes = []
    clusters = min(row["n_clusters"] for row in rows["curve"])
    if clusters < FEW_CLUSTERS:
        notes.append(
            f"{clusters} clusters are few; below {FEW_CLUSTERS} intervals may be too narrow"
        )
    seeds = [row["n_seeds"] for row in (*rows["curve"], *rows["gains"])]
    if min(seeds) == 1:
        notes.append("with one seed, a figure says nothing about how other seeds would do")
    tested = {(row["measure"], row["setting"], row["pure"]) for row in rows["gains"]}
    points = [(row["measure"], row["setting"], row["mixing_ratio"]) for row in rows["curve"]]
    mixed = {(measure, setting) for measure, setting, ratio in points if 0 < ratio < 1}
    for measure, setting, ratio in points:
        is_pure = ratio in (0.0, 1.0) and (measure, setting) in mixed
        if is_pure and (measure, setting, ratio) not in tested:
            notes.append(
                f"{measure} {setting}: ratio {ratio:g} and the hybrid ratio have no seed in "
                "common and are not compared; train all ratios with the same seeds"
            )
    return notes


def _table(title: str, rows: list[dict[str, Any]], *columns: str) -> Table:
    measures = ", ".join(dict.fromkeys(str(row["measure"]) for row in rows))
    table = Table(title=f"{title}, {measures}", title_justify="left")
    shown = ("setting", *columns)
    for column in (*shown, "95 % from", "to", *(["p", "p, Holm"] if "p" in rows[0] else [])):
        table.add_column(column.replace("_", " "))
    for row in rows:
        cells = [_cell(row[column]) for column in (*shown, "low", "high")]
        if "p" in row:
            cells += [f"{row['p']:.2g}", f"{row['p_adjusted']:.2g}"]
        table.add_row(*cells)
    return table


def _cell(value: object) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(map(_cell, value)) + "}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
