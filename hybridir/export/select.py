"""Which encoder is worth keeping: one rule, for a study's end and for ``hybridir export``."""

import json
import math
from pathlib import Path

from hybridir import names
from hybridir.errors import InputError

# What the confirmed trials are compared by.
CRITERION = names.mean_metric(names.DEV, names.AP, "mean")


def best_confirmed(trials: Path) -> Path | None:
    """The confirmed trial with an encoder that has the highest mean mAP on dev.

    The benchmarks that are reported on have no say in it. Of equals the last by name is taken.

    Args:
        trials: folder with a folder for each trial.

    Returns:
        The trial's folder; None where no such trial was scored on dev.
    """
    scored = [
        (score, trial.name, trial)
        for trial in with_encoder(trials)
        if names.phase_of(trial.name) == names.PHASE_CONFIRM
        and math.isfinite(score := figures_of(trial).get(CRITERION, math.nan))
    ]
    return max(scored)[2] if scored else None


def with_encoder(trials: Path) -> list[Path]:
    """The finished trials whose encoder is there, by name."""
    return [
        encoder.parent
        for encoder in sorted(trials.glob(f"*/{names.ARTIFACT_ENCODER}"))
        if (encoder.parent / names.ARTIFACT_RESULT).is_file()
    ]


def choose(folder: Path, trial: str | None) -> Path:
    """Find the trial whose encoder is exported.

    Args:
        folder: of a run of a study, or of one trial.
        trial: name of the trial, where the best one is not meant.

    Returns:
        The trial's folder, which holds an encoder and its result.

    Raises:
        InputError: if there is none; says which trials have an encoder and how to get one.
    """
    trials = folder / names.RUN_TRIALS
    if not trials.is_dir():
        if trial is not None:
            raise InputError(f"--trial {trial}: {folder} is no run of a study; it has no trials/")
        if folder in with_encoder(folder.parent):
            return folder
        if (folder / names.ARTIFACT_CONFIG).is_file():
            raise InputError(f"{folder} kept no encoder; {_remedy(folder)}")
        raise InputError(
            f"{folder} is neither a run of a study (results/STUDY/run-001) nor a trial "
            f"({names.ARTIFACT_CONFIG}, {names.ARTIFACT_RESULT} and {names.ARTIFACT_ENCODER}/)"
        )
    kept = with_encoder(trials)
    if trial is None:
        best = best_confirmed(trials)
        if best:
            return best
        if not kept:
            raise InputError(f"no trial of {folder} kept its encoder; {_remedy(trials / 'NAME')}")
        raise InputError(
            f"no confirmed trial of {folder} has both an encoder and {CRITERION}; "
            f"choose one with --trial: {_list(kept)}"
        )
    if trials / trial in kept:
        return trials / trial
    if not (trials / trial / names.ARTIFACT_CONFIG).is_file():
        known = sorted(path.parent.name for path in trials.glob(f"*/{names.ARTIFACT_CONFIG}"))
        raise InputError(f"--trial {trial}: there is no such trial; there are {', '.join(known)}")
    raise InputError(
        f"--trial {trial} kept no encoder (those that did: {_list(kept)}); "
        f"{_remedy(trials / trial)}"
    )


def figures_of(trial: Path) -> dict[str, float]:
    """The headline figures of a finished trial."""
    found: dict[str, float] = json.loads((trial / names.ARTIFACT_RESULT).read_text())
    return found


def _list(trials: list[Path]) -> str:
    return ", ".join(trial.name for trial in trials) or "none"


def _remedy(trial: Path) -> str:
    return (
        "a study keeps that of its best confirmed trial, which takes confirm and tune_on: dev. "
        f"hybridir train {trial / names.ARTIFACT_CONFIG} FOLDER trains one again, encoder "
        "included, and hybridir export FOLDER takes it"
    )
