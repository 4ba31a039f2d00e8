"""The disk that a study takes, by what takes it: arithmetic alone.

Constants are what studies of 2 to 77 trials took (measured), with a reserve of about a half. A
file takes whole blocks of 4 KB, which small studies feel.
"""

from dataclasses import dataclass

from hybridir import names
from tune.readiness.inputs import Inputs
from tune.study.file import StudyConfig
from tune.view.progress import planned_trials

# Bytes of a row of a per-query table as Parquet: 12 for XQuAD-R with random ranks (measured).
_ROW_BYTES = 20
# What Parquet itself takes for a table: 43 KB measured.
_TABLE_MB = 0.06
# Settings, outcome, logs and small tables of a trial: 70 KB measured; Ray's state of it: 50 KB.
_TRIAL_MB, _RAY_MB = 0.1, 0.1
# The report without a benchmark: 2.6 MB measured; with one: 4 to 8.2 MB.
_REPORT_MB, _REPORT_ON_MB = 4.0, 8.0
# A new MLflow database: 1 MB measured; each run in it: 17 to 23 KB.
_DATABASE_MB, _RUN_MB = 2.0, 0.04
# Ray's logs: 2 to 5.4 MB a study (measured); they grow with its length.
_TEMPORARY_MB = 50.0
# An int32 per token; three characters per token is a cautious assumption.
_BYTES_PER_CHARACTER = 4 / 3


@dataclass(frozen=True)
class Disk:
    """Disk in MB.

    Attributes:
        peak: most that the storage holds at a time, prepared data included.
        kept: rest in the study's folder after its end, the report included.
        report: the report, part of `kept`.
        cache: prepared data, part of `peak`.
        tracking: a database file and the artifacts beside it; a server has a disk of its own.
        temporary: files of Ray in the folder of temporary files.
    """

    peak: float
    kept: float
    report: float
    cache: float
    tracking: float
    temporary: float


def estimated_disk(study: StudyConfig, inputs: Inputs, at_a_time: int) -> Disk:
    """Estimate a study's disk.

    Args:
        study: the settings.
        inputs: its data and encoder.
        at_a_time: number of trials that run in parallel.
    """
    weights = inputs.parameters * 4 / 1e6
    # Those of the trials that end at the same time, and the best so far.
    encoders = min(len(study.confirm.design), at_a_time + 1) if study.confirm else 0
    best = bool(encoders) * weights
    by_phase = planned_trials(study)
    trials = sum(by_phase.values())
    tables = _tables(study, inputs, by_phase)
    report = _REPORT_MB + _REPORT_ON_MB * len(study.report_on)
    cache = inputs.characters * _BYTES_PER_CHARACTER / 1e6
    # A checkpoint holds the weights and AdamW's two moments, and replaces the previous one
    # only when it is complete.
    checkpoints = at_a_time * 2 * 3 * weights
    embeddings = at_a_time * inputs.stored_mb
    recorded = tables + trials * _TRIAL_MB + report
    return Disk(
        peak=checkpoints + embeddings + encoders * weights + trials * _RAY_MB + recorded + cache,
        kept=best + recorded,
        report=report,
        cache=cache,
        # The artifacts are copies of what the folder keeps.
        tracking=_DATABASE_MB + trials * _RUN_MB + best + recorded,
        temporary=_TEMPORARY_MB,
    )


def _tables(study: StudyConfig, inputs: Inputs, by_phase: dict[str, int]) -> float:
    """The per-query tables: one for each benchmark that a trial is evaluated on."""
    rows = sum(count * inputs.rows[phase] for phase, count in by_phase.items())
    development = study.tune_on is not None
    files = sum(
        count * (development + (phase != names.PHASE_SEARCH) * len(study.report_on))
        for phase, count in by_phase.items()
    )
    return rows * _ROW_BYTES / 1e6 + files * _TABLE_MB
