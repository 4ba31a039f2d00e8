import math
from pathlib import Path

import pytest

from hybridir import names
from tests.support.tiny import settings
from tune.folders import OUTCOME, PROGRESS, Outcome, RunFolder
from tune.study.file import StudyConfig
from tune.view.progress import planned_trials, running_trials, seconds_left, trials_per_hour

BEGIN = 1_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run-001")


@pytest.fixture
def study() -> StudyConfig:
    base = settings()
    return StudyConfig.model_validate(
        {
            "name": "tiny",
            **base.pop("data"),
            **base,
            "space": {"mixing_ratio": {"uniform": [0, 1]}},
            "search": {"trials": 6},
            "confirm": {"mixing_ratio": [0.0, 1.0], "seeds": 2},
        }
    )


def start(folder: RunFolder, name: str, after: float = 0.0) -> None:
    folder.trial(name).write("started.json", {"time": BEGIN + after})
    folder.trial(name).write("config.json", {"batch": {"batch_size": 64}})


def end(
    folder: RunFolder,
    name: str,
    after: float,
    state: str = names.COMPLETE,
    **metrics: float,
) -> None:
    trial = folder.trial(name)
    trial.finalize(Outcome(state, {key.replace("_", "/"): v for key, v in metrics.items()}))
    trial.write(OUTCOME, {**(trial.read(OUTCOME) or {}), "time": BEGIN + after})


def step(folder: RunFolder, name: str, step: int, after: float) -> None:
    trial = folder.trial(name)
    progress = {"step": step, "steps": 40, "host": "node-1", "time": BEGIN + after}
    trial.write(PROGRESS, progress)


def test_the_planned_trials_are_those_of_the_search_and_ratios_times_seeds(
    study: StudyConfig,
) -> None:
    assert planned_trials(study) == {"search": 6, "confirm": 4}


def test_the_rate_of_a_trial_is_that_of_its_last_attempt(folder: RunFolder) -> None:
    start(folder, "search-000")
    step(folder, "search-000", 20, after=10)
    start(folder, "search-001")
    step(folder, "search-001", 20, after=110)
    attempts = [{"step": 0, "time": BEGIN}, {"step": 15, "time": BEGIN + 100}]
    folder.trial("search-001").write("attempts.json", {"attempts": attempts})
    start(folder, "search-002", after=100)
    first, second, third = running_trials(folder.trials(), BEGIN + 130)
    # 20 steps of 64 pairs in 10 s, and 5 of them in 10 s.
    assert first.pairs_per_second == 128
    assert second.pairs_per_second == 32
    assert math.isnan(third.pairs_per_second)
    assert (first.share, third.share) == (0.5, 0.0)
    assert [trial.silent for trial in (first, second, third)] == [120, 20, 30]


def test_trials_per_hour_count_from_the_first_start_to_the_last_end(folder: RunFolder) -> None:
    assert math.isnan(trials_per_hour(folder.trials()))
    for number, after in enumerate((600, 900, 1800)):
        start(folder, f"search-{number:03d}")
        end(folder, f"search-{number:03d}", after)
    # Three in half an hour.
    assert trials_per_hour(folder.trials()) == 6


def test_the_time_left_is_the_mean_time_of_trials_times_their_number_over_the_running_ones(
    folder: RunFolder, study: StudyConfig
) -> None:
    assert math.isnan(seconds_left(folder, study, BEGIN))
    # Interrupted for a day, but 100 s of work; the next trial has no measured time.
    start(folder, "search-000")
    end(folder, "search-000", 86_400, train_seconds=80.0, evaluation_seconds=20.0)
    start(folder, "search-001")
    end(folder, "search-001", 200, state=names.PRUNED)
    # A failure does not show how long a trial takes.
    start(folder, "search-002")
    end(folder, "search-002", 1, state=names.FAIL)
    start(folder, "search-003")
    step(folder, "search-003", 20, after=300)
    start(folder, "search-004")
    step(folder, "search-004", 40, after=300)
    # (100 + 200) / 2 = 150 s per trial. Of six search trials three have ended, half of one and
    # all of another are done: 1.5 are left. The confirmation has four. Two run in parallel.
    assert seconds_left(folder, study, BEGIN) == 150 * (1.5 + 4) / 2
    start(folder, "confirm-a0-s0")
    end(folder, "confirm-a0-s0", 400, train_seconds=1000.0)
    assert seconds_left(folder, study, BEGIN) == (150 * 1.5 + 1000 * 3) / 2


def test_baselines_that_the_confirmation_trains_are_not_counted(study: StudyConfig) -> None:
    named = study.model_copy(update={"baselines": ("bm25", "x-x", "x-y")})
    assert planned_trials(named)["baseline"] == 1 + 2
