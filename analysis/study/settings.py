"""Which languages a study trained on."""

from typing import Any

import yaml

from analysis.study.mlflow import Study
from hybridir import names

_SOURCES = ("lareqa", "table", "hub")


def training_languages(study: Study) -> frozenset[str] | None:
    """Find the languages of the training data.

    Where the study file does not name them, those of the development benchmark count: it is held
    out of the training data, and has all of their languages.

    Args:
        study: the study.

    Returns:
        Their codes; None where neither the study file nor a development benchmark tells.
    """
    train = (yaml.safe_load(study.text) or {}).get("train") or {}
    stated = _stated(train)
    if stated is not None:
        return stated
    of_dev = [metric for metric in study.metrics if metric.startswith(f"{names.DEV}/")]
    scored = study.trials[of_dev].notna().any(axis=1) & (study.trials["state"] == names.COMPLETE)
    for run_id in study.trials["run_id"][scored]:
        table = study.per_query(str(run_id), names.DEV, [names.QUERY_LANGUAGE])
        if table is not None:
            return frozenset(table[names.QUERY_LANGUAGE].astype("str"))
    return None


def _stated(train: dict[str, Any]) -> frozenset[str] | None:
    """The union over the data sets; None unless all of them name their languages."""
    found: set[str] = set()
    sources = [one[key] for one in train.get("mix") or [train] for key in _SOURCES if one.get(key)]
    for source in sources:
        if not source.get("languages"):
            return None
        found.update(map(str, source["languages"]))
    return frozenset(found) if found else None
