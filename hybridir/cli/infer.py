"""The command `hybridir infer`: the report's inference on anyone's scores.

hybridir infer scores.parquet
hybridir infer scores.parquet --primary multilingual --range 0,1 --json answer.json
hybridir infer results/demo/run-001/report/scores.parquet --out tables

The table is described in `hybridir.cli.scores_table`.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write

console = Console()
_SEED = 20240819  # an arbitrary number, fixed so that the same table gives the same figures
_FEW_CLUSTERS = 30  # below it a t interval over clusters of unequal size is too narrow
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
    hybrid: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Ratio of hybrid batches. Default: nearest to 0.5."),
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
    from hybridir.cli.scores_table import read_scores

    limits = _limits(value_range)
    answers = []
    studies = 0
    for study in read_scores(scores, limits):
        studies += 1
        answer = _answer(study.scores, hybrid, primary, scores)
        answers.append({"study": study.name, **_without_nan(answer)})
    if json_file is not None:
        _write(json_file, json.dumps({"studies": answers}, indent=1) + "\n")
    if out is not None:
        _write_tables(out, answers)
    if len(answers) == 1:
        _show(answers[0])
    else:
        _say(f"{studies} studies")
    for label, path in (("figures", json_file), ("tables", out)):
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
    scores: Mapping[tuple[str, str], Mapping[Any, Any]],
    hybrid: float | None,
    primary: str | None,
    path: Path,
) -> Rows:
    """Compute the figures of one study, a list of rows for each kind."""
    from hybridir import inference

    main = _primary_key(list(scores), primary, path)
    rows: Rows = {
        name: [] for name in ("curve", "gains", "optimum", "interactions", "design_effect")
    }
    for index, (key, conditions) in enumerate(scores.items()):
        measure, setting = key
        label = {"setting": setting, "measure": measure}
        generator = np.random.default_rng([_SEED, index, zlib.crc32(repr(key).encode())])
        average = inference.average_conditions(conditions)
        _check_hybrid(average.ratios, hybrid, path)
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
                    "n_questions": len(average.questions),
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
        rows["design_effect"] += [
            {**label, **effect._asdict()} for effect in inference.design_effects(average, hybrid)
        ]
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


def _primary_key(keys: list[tuple[str, str]], primary: str | None, path: Path) -> tuple[str, str]:
    settings = list(dict.fromkeys(setting for _, setting in keys))
    if primary is not None and primary not in settings:
        raise InputError(
            f"--primary {primary}: {path} has no such setting; it has {', '.join(settings)}"
        )
    default = names.MULTILINGUAL if names.MULTILINGUAL in settings else settings[0]
    setting = primary or default
    measures = [measure for measure, of_key in keys if of_key == setting]
    return next((measure for measure in _PRIMARY if measure in measures), measures[0]), setting


def _check_hybrid(ratios: tuple[float, ...], hybrid: float | None, path: Path) -> None:
    if hybrid is not None and hybrid not in ratios:
        listed = ", ".join(f"{ratio:g}" for ratio in ratios)
        raise InputError(f"--hybrid {hybrid:g}: {path} has the mixing ratios {listed}; name one")


def _adjust(rows: list[dict[str, Any]], is_primary: list[bool]) -> None:
    """Add Holm's p to each row: over the primary rows, and over all others."""
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


def _write_tables(folder: Path, answers: list[dict[str, Any]]) -> None:
    import pandas as pd

    for name in answers[0]:
        if name == "study":
            continue
        rows = [{"study": answer["study"], **row} for answer in answers for row in answer[name]]
        _write(folder / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))


def _show(answer: dict[str, Any]) -> None:
    """Print the answer of one study."""
    console.print(_table("Curve", answer["curve"], "mixing_ratio", "mean"))
    if answer["gains"]:
        console.print(_table("Hybrid minus pure", answer["gains"], "hybrid", "pure", "estimate"))
    console.print(_table("Optimum", answer["optimum"], "best", "may_be_best"))
    if answer["interactions"]:
        columns = ("parameter", "first", "second", "pure", "estimate")
        console.print(_table("Change of the gain", answer["interactions"], *columns))
    effects = [row["value"] for row in answer["design_effect"] if row["value"] is not None]
    clusters = min(row["n_clusters"] for row in answer["curve"])
    if effects:
        _say(
            f"{clusters:,} clusters of questions; design effect {min(effects):.2f} to "
            f"{max(effects):.2f} (variance by cluster over that of independent questions)"
        )
    if clusters < _FEW_CLUSTERS:
        _say(
            f"warning: {clusters} clusters are few; below {_FEW_CLUSTERS} intervals may be too "
            "narrow"
        )
    if min(row["n_seeds"] for row in answer["curve"]) == 1:
        _say("warning: with one seed, nothing here says how other seeds would do")


def _table(title: str, rows: list[dict[str, Any]], *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    shown = ("setting", "measure", *columns)
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
