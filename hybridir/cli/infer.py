"""The command `hybridir infer`: the report's inference on anyone's scores.

hybridir infer scores.parquet
hybridir infer scores.parquet --primary multilingual --range 0,1 --json answer.json
hybridir infer results/demo/run-001/report/scores.parquet --out tables --by-cluster small.parquet
hybridir infer small.parquet
hybridir infer first.parquet later.parquet      # a later run has added seeds

The table is described in `hybridir.cli.scores_table`.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from hybridir import names
from hybridir.cli.answer import LISTS, Rows, answer_of, corrected
from hybridir.cli.tables import print_whole
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write, check_file, check_folder
from hybridir.runtime.terminal import plain_console

console = plain_console()
_NAMED = 3  # studies that a warning names
_MEASURED = ("mean", "difference", "estimate")
"""Columns whose figures, and intervals, have one number of decimals; others are mixing ratios."""


def infer(
    scores: Annotated[
        list[Path],
        typer.Argument(
            help="Table of scores: Parquet, or CSV by its ending (see docs). Rows of several "
            "files that name one study belong together."
        ),
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
        typer.Option(
            help="Setting of the primary outcome. Default: those that the study declared, or else "
            "multilingual, or the first."
        ),
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
    from hybridir.cli.scores_files import write_by_cluster
    from hybridir.cli.scores_table import by_cluster_table, read_scores

    limits = _limits(value_range)
    tables = {f"--out's {name}.csv": out / f"{name}.csv" for name in LISTS} if out else {}
    given = {f"SCORES {number}": path for number, path in enumerate(scores, 1)}
    given = given if len(scores) > 1 else {"SCORES": scores[0]}
    _check_distinct({**given, "--json": json_file, "--by-cluster": by_cluster, **tables})
    if json_file is not None:
        check_file("--json", json_file)
    if out is not None:
        check_folder("--out", out)
    if by_cluster is not None:
        check_file("--by-cluster", by_cluster)
    judged: list[Rows] = []
    family: dict[str, tuple[str, ...]] = {}
    reduced, declared = [], {}
    source = " and ".join(map(str, scores))
    for study in read_scores(*scores, limits=limits):
        judged.append(answer_of(study, hybrid, primary, f"{source}, study {study.name}"))
        family[study.name] = study.family
        if by_cluster is not None:
            reduced.append(by_cluster_table(study.name, study.scores, study.trained_at))
            if study.primary is not None:
                declared[study.name] = study.primary
    answers = [
        {"study": name, **answer}
        for name, answer in zip(family, corrected(judged, [*family.values()]), strict=True)
    ]
    if json_file is not None:
        _write(json_file, json.dumps({"studies": answers}, indent=1) + "\n")
    if out is not None:
        _write_tables(out, answers)
    if by_cluster is not None:
        write_by_cluster(by_cluster, reduced, declared, family)
    if len(answers) == 1:
        _show(answers[0])
    else:
        _show_several(answers)
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


def _check_distinct(files: dict[str, Path | None]) -> None:
    """Refuse to write over the scores, or one result over another."""
    taken: dict[Path, str] = {}
    for role, path in files.items():
        if path is not None and (other := taken.setdefault(path.resolve(), role)) != role:
            raise InputError(f"{role} {path}: is {other} as well; name another file")


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

    for name in LISTS:
        rows = [{"study": answer["study"], **row} for answer in answers for row in answer[name]]
        path = folder / f"{name}.csv"
        if rows:
            _write(path, pd.DataFrame(rows).to_csv(index=False))
        else:  # that of an earlier call would be taken for this one's
            path.unlink(missing_ok=True)


def _show(answer: dict[str, Any]) -> None:
    """Print the answer of one study: of several measures the primary one and F1 at R."""
    primary = {row["measure"] for row in answer["gains"] if row["primary"]}
    measures = list(dict.fromkeys(row["measure"] for row in answer["curve"]))
    shown = [one for one in measures if one in (primary or measures[:1]) or one == names.SET_F1]
    for measure in shown:
        rows = {
            name: [row for row in answer[name] if row["measure"] == measure]
            for name in ("curve", "gains", "optimum", "interactions")
        }
        _print(f"Curve, {measure}", rows["curve"], "mixing_ratio", "mean")
        _print(f"Hybrid minus pure, {measure}", rows["gains"], "hybrid", "pure", "difference")
        _print(f"Optimum, {measure}", rows["optimum"], "best", "may_be_best")
        changes = [
            {
                **row,
                "change": f"{row['parameter']} {_cell(row['first'])} to {_cell(row['second'])}",
            }
            for row in rows["interactions"]
        ]
        _print(f"Change of the gain, {measure}", changes, "change", "pure", "estimate")
    if len(measures) > len(shown):
        _say(f"{len(measures)} measures; --json and --out have all of them")
    if held := _held(answer["parameters"]):
        _say(held)
    _say(_numbers(answer))
    for note in answer["notes"]:
        _say(f"warning: {note['note']}")


def _show_several(answers: list[dict[str, Any]]) -> None:
    """Print the primary gains of each study."""
    rows = [
        {"study": answer["study"], **row}
        for answer in answers
        for row in answer["gains"]
        if row["primary"]
    ]
    measures = ", ".join(dict.fromkeys(row["measure"] for row in rows))
    _print(f"Hybrid minus pure, {measures}", rows, "study", "hybrid", "pure", "difference")
    _say(f"{len(answers)} studies; --json and --out have all figures")
    notes: dict[str, list[str]] = {}
    for answer in answers:
        for note in answer["notes"]:
            notes.setdefault(note["note"], []).append(answer["study"])
    for text, studies in notes.items():
        others = f" and {len(studies) - _NAMED} more" if len(studies) > _NAMED else ""
        _say(f"warning: {text} ({', '.join(studies[:_NAMED])}{others})")


def _held(parameters: list[dict[str, Any]]) -> str:
    """At which parameters figures hold: ``means over temperature 0.01, 0.05; at pairs 8192``."""
    from hybridir.cli.scores_table import CROSSED, FIXED

    parts = []
    for start, role, joint in (("means over", CROSSED, " x "), ("at", FIXED, ", ")):
        described = [
            f"{one['parameter'].replace('_', ' ')} {', '.join(map(_cell, one['values']))}"
            for one in parameters
            if one["role"] == role
        ]
        parts += [f"{start} {joint.join(described)}"] if described else []
    return "; ".join(parts)


def _numbers(answer: dict[str, Any]) -> str:
    """How many seeds, questions and clusters the figures rest on, and the design effect."""

    def counted(column: str, one: str) -> str:
        values = sorted({row[column] for row in answer["curve"]})
        span = f"{values[0]:,} to {values[-1]:,}" if len(values) > 1 else f"{values[0]:,}"
        return f"{span} {one}{'' if values[-1] == 1 else 's'}"

    text = (
        ", ".join(counted(f"n_{one}s", one) for one in ("seed", "question"))
        + f" in {counted('n_clusters', 'cluster')}"
    )
    effects = [row["value"] for row in answer["design_effect"] if row["value"] is not None]
    if not effects:
        return text
    return (
        f"{text}; design effect {min(effects):.2f} to {max(effects):.2f} "
        "(variance by cluster over that of independent questions)"
    )


def _print(title: str, rows: list[dict[str, Any]], *columns: str) -> None:
    """Print a table in which texts break between words, so that no number is cut."""
    if not rows:
        return
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    first = () if "study" in columns else ("setting",)
    for column in (*first, *columns):
        if column in ("setting", "study", "may_be_best", "change"):
            table.add_column(column.replace("_", " "), overflow="fold", min_width=12)
        else:
            table.add_column(column.replace("_", " "), no_wrap=True)
    table.add_column("95 % interval", overflow="fold", min_width=11)
    for column in ("p", "Holm's p") if "p" in rows[0] else ():
        table.add_column(column, no_wrap=True)
    measured = [column for column in _MEASURED if column in columns]
    decimals = _decimals(rows, [*measured, "low", "high"]) if measured else None
    for row in rows:
        cells = [
            _cell(row[column]) if column not in measured else _fixed(row[column], decimals)
            for column in (*first, *columns)
        ]
        cells.append(f"[{_fixed(row['low'], decimals)}, {_fixed(row['high'], decimals)}]")
        if "p" in row:
            cells += [_cell(row["p"], 2), _cell(row["p_holm"], 2)]
        table.add_row(*cells)
    print_whole(console, table)


def _decimals(rows: list[dict[str, Any]], columns: list[str]) -> int:
    """Decimals that all figures of a table have: four, if none then has more than five digits."""
    largest = max((abs(row[column] or 0.0) for row in rows for column in columns), default=0.0)
    power = math.floor(math.log10(largest)) if largest else 0
    return max(0, 4 - max(power, 0)) if power >= -3 else 3 - power


def _fixed(value: float | None, decimals: int | None) -> str:
    """A measured figure; a mixing ratio, which has no number of decimals, as it is."""
    return _cell(value) if value is None or decimals is None else f"{value:z.{decimals}f}"


def _cell(value: object, digits: int = 4) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(map(_cell, value)) + "}"
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _say(line: str) -> None:
    console.print(line, soft_wrap=True)
