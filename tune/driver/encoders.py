"""The one encoder that a study keeps; the others would fill the disk with a design's size."""

import shutil
from pathlib import Path

from hybridir import names
from hybridir.export.select import best_confirmed, trials_with_encoder
from tune.folders import RunFolder, TrialFolder


def best_of_confirmation(folder: RunFolder) -> TrialFolder | None:
    """The confirmed trial of the first seed with the best dev mAP, whose encoder is kept.

    All conditions compete. The reported benchmarks do not influence the choice. None without a
    development benchmark.
    """
    best = best_confirmed(folder.path / names.RUN_TRIALS, _recorded_metrics)
    return TrialFolder(best) if best else None


def drop_beaten_encoders(folder: RunFolder) -> None:
    """Delete the encoders of ended trials, but that of the best so far.

    The best of the remaining trials is the best of all, so that an interruption changes nothing.
    A running trial's encoder stays.
    """
    best = best_of_confirmation(folder)
    for trial in trials_with_encoder(folder.path / names.RUN_TRIALS):
        ended = TrialFolder(trial).outcome is not None
        if ended and (best is None or trial != best.path):
            shutil.rmtree(trial / names.ARTIFACT_ENCODER, ignore_errors=True)


def _recorded_metrics(trial: Path) -> dict[str, float]:
    """The study's own record, so that a damaged file of the trial does not stop it."""
    outcome = TrialFolder(trial).outcome
    return outcome.metrics if outcome else {}
