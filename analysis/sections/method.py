"""The method of a report: commands, data, versions and settings, all that a repetition takes."""

import hashlib
import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.study.mlflow import DATA_SET, Study
from analysis.tables import confirmed
from hybridir import inference, names


def method_rows(study: Study) -> list[tuple[str, str]]:
    """Describe how the figures were made: commands, seeds, data and versions, as recorded.

    Returns:
        (term, description) in the order of the page.
    """
    curve_trials = confirmed.confirmed_trials(study)
    seeds = sorted(map(int, curve_trials[names.SEED])) if len(curve_trials) else []
    hosts = sorted(set(study.trials["host"]) - {""})
    return [
        ("study", f"{study.name}, started {study.started:%Y-%m-%d %H:%M} UTC"),
        ("repeat the study", _command(study)),
        ("repeat this report", _report_command(study)),
        ("MLflow run", f"{study.run_id} in {study.tracking_uri}"),
        ("confirmation seeds", ", ".join(map(str, dict.fromkeys(seeds))) or "none"),
        *(
            (_term(key), value)
            for key, value in study.provenance.items()
            if value and key not in (names.TAG_COMMAND, names.TAG_RUN)
        ),
        *([("hosts", ", ".join(hosts))] if hosts else []),
        *_statistics_rows(),
        *setup_rows(study),
    ]


def table_method_rows(files: list[Path]) -> list[tuple[str, str]]:
    """Describe how the figures of a table of scores were made.

    Args:
        files: the files of the table.
    """
    command = shlex.join(["python", "analysis/report.py", *map(str, files)])
    digests = (
        f"{path}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files
    )
    return [("scores", "; ".join(digests)), ("repeat this report", command), *_statistics_rows()]


def _term(key: str) -> str:
    """Name what MLflow recorded; a data set keeps its name."""
    if key == names.TAG_COMMIT:
        return "commit"
    return key if key.startswith(DATA_SET) else _words(key.removeprefix("hybridir."))


def _words(key: Any) -> str:
    """Write the name of a setting as words; the study file on the page has it as it is typed."""
    return str(key).replace("_", " ")


def _statistics_rows() -> list[tuple[str, str]]:
    packages = ("altair", "mlflow", "numpy", "pandas")
    return [
        (
            "intervals",
            "95 %, for other clusters of questions and, with several seeds, other seeds, by "
            "crossed random effects: t intervals, of levels near an end of the measure's range "
            "score intervals; the "
            "critical value of the comparisons with the best ratio from a hierarchical bootstrap "
            f"({inference.DRAWS:,} draws); docs/statistics.md",
        ),
        (
            "report made with",
            ", ".join(
                [f"Python {platform.python_version()}"]
                + [f"{package} {version(package)}" for package in packages]
            ),
        ),
    ]


def _command(study: Study) -> str:
    """The command that was given, or one for the study file that the page shows."""
    recorded = study.provenance.get(names.TAG_COMMAND, "")
    if recorded:
        return f"python {recorded}"
    return f"save the study file below as {study.name}.yaml, then python tune/run_sweep.py " + (
        shlex.quote(f"{study.name}.yaml")
    )


def _report_command(study: Study) -> str:
    arguments = (study.label, "--tracking-uri", study.absolute_uri)
    return f"python analysis/report.py {shlex.join(arguments)}"


def setup_rows(study: Study) -> list[tuple[str, str]]:
    """Describe the encoder, the training and the benchmarks.

    Returns:
        (term, description). Settings that the study file leaves out are left out here: they have
        the defaults of the recorded version.
    """
    settings = study.settings.written
    trials = confirmed.confirmed_trials(study)
    rows = [
        ("encoder", _one_line(settings.get("encoder"))),
        ("trained on", _one_line(settings.get("train"))),
        ("tuned on", _one_line(settings.get("tune_on"))),
        ("reported on", _one_line(settings.get("report_on"))),
        ("batches, unless a trial says otherwise", _one_line(settings.get("batch"))),
        ("training, unless a trial says otherwise", _one_line(settings.get("training"))),
        ("budget of a trial", _budget(trials, study.settings.training.pairs)),
        ("confirmed at", _shared_parameters(study, trials)),
        ("share of monolingual batches", _monolingual_shares(trials)),
        ("search", _one_line(settings.get("search"))),
        ("resources of a trial", _one_line(settings.get("resources"))),
    ]
    return [(term, description) for term, description in rows if description]


def _one_line(setting: Any) -> str:
    """Write a section of the study file in one line."""
    if setting is None:
        return ""
    if isinstance(setting, dict):
        return "; ".join(f"{_words(key)}: {_nested(value)}" for key, value in _set(setting))
    if isinstance(setting, list):
        return "; ".join(map(_nested, setting))
    return str(setting)


def _set(settings: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Leave out what is empty, such as a prefix of queries that there is none of."""
    return [(key, value) for key, value in settings.items() if value not in (None, "", [], {})]


def _nested(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "(" + ", ".join(f"{_words(key)}: {_nested(inner)}" for key, inner in _set(value)) + ")"
        )
    if isinstance(value, list):
        return ", ".join(map(_nested, value))
    return str(value)


def _budget(trials: pd.DataFrame, pairs: int | None) -> str:
    """Write the pairs and steps of a trial; a crossed study has several budgets."""
    if names.BATCH_SIZE not in trials or trials.empty:
        return ""
    recorded = trials[names.PAIRS].dropna() if names.PAIRS in trials else trials.iloc[:0, 0]
    budgets = sorted({int(budget) for budget in recorded}) or ([pairs] if pairs else [])
    sizes = sorted({int(size) for size in trials[names.BATCH_SIZE].dropna()})
    clauses = []
    for budget in budgets:
        steps = ", ".join(
            f"{-(-budget // size):,} steps in batches of {size} ({budget:,} / {size})"
            for size in sizes
        )
        clauses.append(f"{budget:,} pairs: {steps}")
    return "; ".join(clauses)


def _shared_parameters(study: Study, trials: pd.DataFrame) -> str:
    """List the parameters that have one value in all confirmation trials."""
    fixed = [name for name in study.parameters if name not in (names.MIXING_RATIO, names.SEED)]
    values = {name: trials[name].dropna().unique() for name in fixed if name in trials}
    shared = {_words(name): found[0] for name, found in values.items() if len(found) == 1}
    return "; ".join(f"{name}: {value}" for name, value in shared.items())


def _monolingual_shares(trials: pd.DataFrame) -> str:
    """Write the range of the drawn share of monolingual batches, by mixing ratio."""
    if names.TRAIN_MONOLINGUAL_SHARE not in trials or trials.empty:
        return ""
    shares = trials.groupby(names.MIXING_RATIO)[names.TRAIN_MONOLINGUAL_SHARE]
    ranges = shares.agg(["min", "max"]).dropna().reset_index()
    return "; ".join(
        f"α = {row[names.MIXING_RATIO]:g}: {row['min']:.3f} to {row['max']:.3f}"
        for row in ranges.to_dict("records")
    )
