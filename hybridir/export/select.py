"""Selects the encoder to export: one rule for the end of a study and for ``hybridir export``."""

import difflib
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from hybridir import names
from hybridir.config import read_yaml
from hybridir.errors import InputError
from hybridir.runtime.commands import script
from hybridir.runtime.files import read_json

CRITERION = names.mean_metric(names.DEV, names.AP, "mean")
"""Metric by which confirmed trials are compared."""


def read_metrics(trial: Path) -> dict[str, float]:
    """Read the metrics of a finished trial.

    Raises:
        InputError: if somebody has damaged the file.
    """
    remedy = f"{_again(trial)}, or name another trial with --trial"
    path = trial / names.ARTIFACT_RESULT
    metrics: dict[str, float] = read_json(path, dict[str, int | float], remedy)
    return metrics


def best_confirmed(
    trials: Path, metrics_of: Callable[[Path], Mapping[str, float]] = read_metrics
) -> Path | None:
    """Find the confirmed trial with an encoder and the highest mean mAP on dev.

    All conditions of a crossed confirmation compete. Reported benchmarks do not influence the
    choice. Of equal trials the last by name is taken.

    Args:
        trials: folder with one folder per trial.
        metrics_of: reads the metrics of a trial's folder.

    Returns:
        The trial's folder; None if no such trial was scored on dev.
    """
    scored = [
        (score, trial.name, trial)
        for trial in trials_with_encoder(trials)
        if names.phase_of(trial.name) == names.PHASE_CONFIRM
        and math.isfinite(score := metrics_of(trial).get(CRITERION, math.nan))
    ]
    return max(scored)[2] if scored else None


def trials_with_encoder(trials: Path) -> list[Path]:
    """List the finished trials with an encoder, by name."""
    return [
        encoder.parent
        for encoder in sorted(trials.glob(f"*/{names.ARTIFACT_ENCODER}"))
        if (encoder.parent / names.ARTIFACT_RESULT).is_file()
    ]


def choose_trial(folder: Path, trial: str | None) -> Path:
    """Choose the trial whose encoder is exported.

    Args:
        folder: folder of a study's run, or of one trial.
        trial: name of the trial; None takes the best one.

    Returns:
        The trial's folder, with an encoder and its result.

    Raises:
        InputError: if there is no such trial or it has no encoder; the message lists the trials
            with an encoder and explains how to get one.
    """
    trials = folder / names.RUN_TRIALS
    if not trials.is_dir():
        if trial is not None:
            raise InputError(
                f"--trial {trial}: {folder} is no run of a study, since it has no trials/; name a "
                "run, or leave --trial out"
            )
        if folder in trials_with_encoder(folder.parent):
            return folder
        if (folder / names.ARTIFACT_CONFIG).is_file():
            raise InputError(f"{folder} has no encoder; {_remedy(folder)}")
        raise InputError(
            f"{folder} is neither a run of a study (results/STUDY/run-001) nor a trial "
            f"({names.ARTIFACT_CONFIG}, {names.ARTIFACT_RESULT} and {names.ARTIFACT_ENCODER}/)"
        )
    exportable = trials_with_encoder(trials)
    if trial is None:
        best = best_confirmed(trials)
        if best:
            return best
        if not exportable:
            raise InputError(f"no trial of {folder} has an encoder; {_study_remedy(folder)}")
        raise InputError(
            f"no confirmed trial of {folder} has both an encoder and {CRITERION}; "
            f"choose one with --trial: {_list(exportable)}"
        )
    if trials / trial in exportable:
        return trials / trial
    if not (trials / trial / names.ARTIFACT_CONFIG).is_file():
        if not exportable:
            raise InputError(
                f"--trial {trial}: no such trial, and none of {folder} has an encoder; "
                f"{_study_remedy(folder)}"
            )
        raise InputError(
            f"--trial {trial}: no such trial; trials with an encoder: "
            f"{_list(_nearest_first(trial, exportable))}"
        )
    raise InputError(
        f"--trial {trial} has no encoder (trials with one: "
        f"{_list(_nearest_first(trial, exportable))}); "
        f"{_remedy(trials / trial)}"
    )


def _nearest_first(name: str, trials: list[Path]) -> list[Path]:
    """Order trials by how like a name theirs are."""
    return sorted(
        trials, key=lambda trial: -difflib.SequenceMatcher(None, name, trial.name).ratio()
    )


def _list(trials: list[Path]) -> str:
    return ", ".join(trial.name for trial in trials) or "none"


def _remedy(trial: Path) -> str:
    return (
        "a study keeps the encoder of its best confirmed trial if its file has confirm and "
        f"tune_on: dev. {_again(trial)}"
    )


def _again(trial: Path) -> str:
    return (
        f"To train one again, run hybridir train {trial / names.ARTIFACT_CONFIG} "
        "FOLDER, then hybridir export FOLDER"
    )


def _study_remedy(folder: Path) -> str:
    """Why a run has no encoder, and the command that trains its best trial again."""
    trials = folder / names.RUN_TRIALS
    scored = [
        (score, result.parent)
        for result in sorted(trials.glob(f"*/{names.ARTIFACT_RESULT}"))
        if (metrics := read_metrics(result.parent)).get(names.FIDELITY) == 1
        and math.isfinite(score := metrics.get(CRITERION, math.nan))
    ]
    best = max(scored, key=lambda pair: pair[0], default=None)
    file = folder / names.ARTIFACT_STUDY
    content = read_yaml(file.read_bytes(), str(file)) if file.is_file() else None
    settings: dict[str, object] = content if isinstance(content, dict) else {}
    if not settings:
        return _remedy(best[1] if best else trials / "NAME")
    if settings.get("confirm") is None:
        reason = "its file has no confirm, and trials of a search keep none"
    elif settings.get("tune_on", names.DEV) is None:
        reason = "without development data (tune_on: null) none is the best"
    else:
        reason = (
            "no confirmed trial of the first seed has ended yet; "
            f"`{script('tune/run_sweep.py', '--resume', str(folder))}` goes on"
        )
    if best is None:
        return f"{reason}. {_again(trials / 'NAME')}"
    return (
        f"{reason}. On development data {best[1].name} is the best ({CRITERION} {best[0]:.4f}). "
        f"{_again(best[1])}"
    )
