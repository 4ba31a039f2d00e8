"""Runs of one study as one study: later runs have added seeds to the first.

NOT covered: an encoder in a local folder whose weights were changed between two runs; its path is
compared, since a study records no digest of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Final

import pandas as pd

from analysis.study.mlflow import DATA_SET, Study, load_study, runs_of
from hybridir import names
from hybridir.errors import InputError

# Settings in which runs of one study may differ: which seeds are trained, where, and by what.
_FREE: Final = ("confirm.seeds", "confirm.first_seed", "storage", "tracking_uri", "resources")


def load_runs(study: str, tracking_uri: str | None = None) -> Study:
    """Read some runs of a study as one study.

    Args:
        study: the study's name, which reads the run that began last; with ``@`` and the names of
            runs, such as ``demo@run-001,run-002``, these.
        tracking_uri: MLflow's address; see `analysis.study.mlflow.tracking_uri_in_use`.

    Raises:
        InputError: if there is no such study or run, or the runs are not of one study.
    """
    name, given, runs = study.partition("@")
    if not given:
        return load_study(name, tracking_uri)
    known = runs_of(name, tracking_uri)
    chosen = list(dict.fromkeys(runs.split(",")))
    if missing := [run for run in chosen if run not in known]:
        has = f"has {', '.join(known)}" if known else "recorded no name of a run"
        raise InputError(f"{study}: the study {has}, and not {', '.join(missing)}")
    studies = {run: load_study(name, tracking_uri, known[run]) for run in chosen}
    return join_runs(studies) if len(studies) > 1 else next(iter(studies.values()))


def join_runs(runs: Mapping[str, Study]) -> Study:
    """Join runs that differ in their seeds alone.

    Args:
        runs: two or more, by name, the first one first.

    Returns:
        The study with the confirmed trials of all runs. Trials of a search, and baselines of
        which an earlier run has the same trial, are those of the earlier run. Totals are sums; no
        plan covers several runs.

    Raises:
        InputError: if settings, data or the points at which ratios were trained differ, or a
            seed was trained in two runs.
    """
    (label, first), *later = runs.items()
    trials, seen = [first.trials], set(first.trials["trial"])
    for other_label, other in later:
        problems = list(_differences(first, other))
        confirmed = other.trials["phase"] == names.PHASE_CONFIRM
        if twice := sorted(seen & set(other.trials["trial"][confirmed])):
            problems.append(
                f"{twice[0]}{' and others are' if twice[1:] else ' is'} in an earlier run as "
                "well, so that a seed would count twice; confirm.first_seed chooses others"
            )
        if problems:
            raise InputError.collect(
                f"{other_label} does not add seeds to {label}; report each run by itself, as "
                f"{first.name}@{other_label}",
                problems,
            )
        trials.append(other.trials[~other.trials["trial"].isin(seen)])
        seen |= set(other.trials["trial"])
    studies = [*runs.values()]
    table = pd.concat(trials, ignore_index=True)
    return replace(
        first,
        run_id=", ".join(study.run_id for study in studies),
        started=min(study.started for study in studies),
        provenance=_provenance(studies),
        trials=table.sort_values(["phase", "trial"], ascending=[False, True], ignore_index=True),
        parameters=tuple(sorted({name for study in studies for name in study.parameters})),
        metrics=tuple(sorted({name for study in studies for name in study.metrics})),
        plan=None,
        totals={
            name: sum(study.totals.get(name, 0.0) for study in studies) for name in first.totals
        },
        artifacts={run: address for study in studies for run, address in study.artifacts.items()},
        runs=tuple(runs),
    )


def _differences(first: Study, other: Study) -> Iterator[str]:
    """Say what makes two runs different studies."""
    for recorded in (_settings, _data_sets):
        for name, then, now in _differing(recorded(first), recorded(other)):
            yield f"{name}: {then} there, {now} here"
    points = _points(first), _points(other)
    for ratio in sorted(set(points[0]) & set(points[1])):
        for name, then, now in _differing(points[0][ratio], points[1][ratio]):
            yield f"{name} at ratio {ratio:g}: {then} there, {now} here"


def _differing(
    first: Mapping[str, object], other: Mapping[str, object]
) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys((*first, *other)):
        then, now = (str(recorded.get(name, "nothing")) for recorded in (first, other))
        if then != now:
            yield name, then, now


def _settings(study: Study) -> dict[str, object]:
    """Settings by their dotted names, but for those that may differ."""
    return {
        name: value
        for name, value in _leaves(study.settings.written)
        if not any(name == free or name.startswith(f"{free}.") for free in _FREE)
    }


def _leaves(content: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _data_sets(study: Study) -> dict[str, object]:
    return {key: value for key, value in study.provenance.items() if key.startswith(DATA_SET)}


def _points(study: Study) -> dict[float, dict[str, object]]:
    """The values of each parameter at which each ratio was confirmed."""
    confirmed = study.trials[study.trials["phase"] == names.PHASE_CONFIRM]
    varied = [name for name in study.parameters if name not in (names.SEED, names.MIXING_RATIO)]
    return {
        float(str(ratio)): {name: sorted(map(str, set(rows[name].dropna()))) for name in varied}
        for ratio, rows in confirmed.groupby(names.MIXING_RATIO)
    }


def _provenance(studies: Sequence[Study]) -> dict[str, str]:
    """What was recorded, each different value once, in the order of the runs."""
    joined = {}
    for key in dict.fromkeys(key for study in studies for key in study.provenance):
        values = dict.fromkeys(filter(None, (study.provenance.get(key) for study in studies)))
        joined[key] = ("; " if key != names.TAG_COMMAND else " && python ").join(values)
    if folder := studies[0].provenance.get(names.TAG_FOLDER):
        joined[names.TAG_FOLDER] = str(PurePath(folder).parent)
    return joined
