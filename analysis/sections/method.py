"""What a study trained and how, read from its file and its trials: what it takes to repeat it."""

from typing import Any

import pandas as pd
import yaml

from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names


def setup(study: Study) -> list[tuple[str, str]]:
    """Say which encoder was trained, on what, for how long, and what is reported on.

    Returns:
        (what, value); what the study's file does not say is left out, since it then has the
        default of the version that is recorded.
    """
    settings: dict[str, Any] = yaml.safe_load(study.text) or {}
    trials = confirmed.confirmed_trials(study)
    rows = [
        ("encoder", _flat(settings.get("encoder"))),
        ("trained on", _flat(settings.get("train"))),
        ("tuned on", _flat(settings.get("tune_on"))),
        ("reported on", _flat(settings.get("report_on"))),
        ("batches, unless a trial says otherwise", _flat(settings.get("batch"))),
        ("training, unless a trial says otherwise", _flat(settings.get("training"))),
        ("budget of a trial", _budget(trials, settings.get("training") or {})),
        ("confirmed at", _confirmed_at(study, trials)),
        ("monolingual batches drawn", _drawn(trials)),
        ("search", _flat(settings.get("search"))),
        ("resources of a trial", _flat(settings.get("resources"))),
    ]
    return [(what, value) for what, value in rows if value]


def _flat(setting: Any) -> str:
    """Write a part of the study file in one line."""
    if setting is None:
        return ""
    if isinstance(setting, dict):
        return "; ".join(f"{key}: {_inner(value)}" for key, value in setting.items())
    if isinstance(setting, list):
        return "; ".join(map(_inner, setting))
    return str(setting)


def _inner(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key}: {_inner(inner)}" for key, inner in value.items()) + ")"
    if isinstance(value, list):
        return ", ".join(map(_inner, value))
    return str(value)


def _budget(trials: pd.DataFrame, training: dict[str, Any]) -> str:
    pairs = training.get("pairs")
    if not isinstance(pairs, int) or names.BATCH_SIZE not in trials or trials.empty:
        return ""
    sizes = sorted({int(size) for size in trials[names.BATCH_SIZE].dropna()})
    steps = ", ".join(
        f"{-(-pairs // size):,} steps in batches of {size} ({pairs:,} / {size})" for size in sizes
    )
    return f"{pairs:,} pairs: {steps}"


def _confirmed_at(study: Study, trials: pd.DataFrame) -> str:
    """The parameters that all confirmation trials share."""
    fixed = [name for name in study.parameters if name not in (names.MIXING_RATIO, names.SEED)]
    shared = {name: trials[name].dropna().unique() for name in fixed if name in trials}
    return "; ".join(f"{name}: {found[0]}" for name, found in shared.items() if len(found) == 1)


def _drawn(trials: pd.DataFrame) -> str:
    """What share of batches the coins of each ratio made monolingual."""
    if names.TRAIN_MONOLINGUAL_SHARE not in trials or trials.empty:
        return ""
    shares = trials.groupby(names.MIXING_RATIO)[names.TRAIN_MONOLINGUAL_SHARE]
    table = shares.agg(["min", "max"]).dropna().reset_index()
    return "; ".join(
        f"α = {row[names.MIXING_RATIO]:g}: {row['min']:.3f} to {row['max']:.3f}"
        for row in table.to_dict("records")
    )
