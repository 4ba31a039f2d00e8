from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from analysis.sections.all import measure_study, study_sections
from analysis.sections.cost import PlanTables, measure_plan, plan_section
from analysis.study.mlflow import Study, load_study
from hybridir import names
from tune.forecast.estimate import PhasePlan, Plan
from tune.forecast.probe import BatchSizeCost

PLAN = Plan(
    phases=(
        PhasePlan(names.PHASE_SEARCH, 4, (16, 64), 2.0, (30.0, 60.0), (36.0, 72.0)),
        PhasePlan(names.PHASE_CONFIRM, 9, (64,), 8.0, (80.0, 120.0), (180.0, 360.0)),
    ),
    points=(BatchSizeCost(16, 40.0, 400.0), BatchSizeCost(64, 11.0, 1000.0)),
    at_a_time=2,
    startup_seconds=5.0,
    seconds=(110.0, 180.0),
    disk_mb=50.0,
    kept_mb=10.0,
    cache_mb=5.0,
    process_mb=1000.0,
    cost=(0.12, 0.24),
    hourly_price=2.0,
    host="somewhere",
)


@pytest.fixture
def planned(study: Study) -> Study:
    totals = {names.STUDY_SECONDS: 360.0, names.STUDY_DISK_MB: 15.0}
    return replace(study, plan=asdict(PLAN), totals=totals)


def plan_tables(study: Study) -> PlanTables:
    tables = measure_plan(study)
    assert tables is not None
    return tables


def test_each_batch_size_of_each_phase_is_compared_with_its_median(planned: Study) -> None:
    trials = plan_tables(planned).trials
    searched = trials[trials["phase"] == names.PHASE_SEARCH]
    confirmed = trials[trials["phase"] == names.PHASE_CONFIRM].set_index("measure")
    # seeds 1, 2, 3 train for 21, 22, 23 s and evaluate for 4 s, in 501, 502, 503 MB
    assert set(confirmed["trials"]) == {9}
    assert confirmed["measured"].to_dict() == {
        "training, s": 22.0,
        "evaluation, s": 4.0,
        "memory, MB": 502.0,
    }
    assert confirmed["ratio"].tolist() == [22.0 / 11.0, 4.0 / 8.0, 502.0 / 1000.0]
    # the pruned trial (32) and the failed one (128) say nothing about a whole training
    assert set(searched[names.BATCH_SIZE]) == {16, 64}


def test_between_two_batch_sizes_that_were_probed_the_plan_is_a_straight_line(
    planned: Study,
) -> None:
    trials = planned.trials.copy()
    trials.loc[trials["phase"] == names.PHASE_CONFIRM, names.BATCH_SIZE] = 40  # half way
    tables = plan_tables(replace(planned, trials=trials))
    training = tables.trials.set_index("measure").loc["training, s"]
    planned_seconds = training[training["phase"] == names.PHASE_CONFIRM]["planned"]
    assert planned_seconds.tolist() == [pytest.approx((40.0 + 11.0) / 2)]


def test_a_total_inside_the_range_has_the_ratio_1_and_one_outside_that_to_the_nearer_end(
    planned: Study,
) -> None:
    trials = planned.trials.assign(seconds=360.0)  # 13 trials, 1.3 hours
    tables = plan_tables(replace(planned, trials=trials))
    totals = tables.totals.set_index("quantity")
    assert totals["measured"].to_dict() == {
        "search trials": 4,
        "confirm trials": 9,
        "time of all trials, h": pytest.approx(1.3),
        "time from start to end, h": pytest.approx(0.1),
        "disk, MB": 15.0,
        "cost": pytest.approx(1.3 * 2.0),
    }
    assert totals["ratio"].to_dict() == {
        "search trials": 1.0,
        "confirm trials": 1.0,
        "time of all trials, h": pytest.approx(1.3 * 3600 / 432),  # 72 + 360 at most
        "time from start to end, h": pytest.approx(360 / 180),
        "disk, MB": 1.5,
        "cost": pytest.approx(2.6 / 0.24),
    }


def test_a_quantity_without_a_measurement_has_no_ratio(planned: Study) -> None:
    tables = plan_tables(replace(planned, totals={}))
    assert tables.totals.set_index("quantity")["ratio"].isna()["disk, MB"]


def test_no_more_is_said_of_the_probe_than_the_plan_holds(planned: Study) -> None:
    (text,) = plan_section(asdict(PLAN), plan_tables(planned)).paragraphs
    assert text.startswith("Before the study, a probe on somewhere timed some steps at each batch")
    assert "what else ran there is not recorded" in text
    assert "idle" not in text


def test_a_study_without_a_plan_has_no_such_section(study: Study) -> None:
    assert study.plan is None
    assert measure_plan(study) is None


def test_the_report_shows_the_plan_that_was_logged_with_the_study(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    from tune.folders import RunFolder
    from tune.forecast.plan import write_plan

    trials = [trial | {"phase": names.PHASE_SEARCH} for trial in make_trials([0.5], [1])]
    uri = write_study(tmp_path, "planned", trials)
    write_plan(PLAN, RunFolder(tmp_path))
    client = MlflowClient(uri)
    run = load_study("planned", uri).run_id
    client.log_artifact(run, str(tmp_path / names.ARTIFACT_PLAN))
    client.log_metric(run, names.STUDY_SECONDS, 150.0)
    study = load_study("planned", uri)
    assert study.totals == {names.STUDY_SECONDS: 150.0}
    _, sections = study_sections(measure_study(study, np.random.default_rng(0)))
    assert "Plan and outcome" in [section.heading for section in sections]

    whole = (tmp_path / names.ARTIFACT_PLAN).read_text()
    for damaged in ("", "[]", whole.replace('"phases"', '"phrases"')):
        (tmp_path / names.ARTIFACT_PLAN).write_text(damaged)
        client.log_artifact(run, str(tmp_path / names.ARTIFACT_PLAN))
        assert load_study("planned", uri).plan is None
