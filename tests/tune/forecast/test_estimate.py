import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hybridir.errors import InputError
from tests.support.tiny import settings
from tune.folders import RunFolder
from tune.forecast.estimate import extrapolate
from tune.forecast.plan import read_plan, write_plan
from tune.forecast.probe import BatchSizeCost, ProbeResult, measure
from tune.readiness.inputs import Inputs
from tune.study.file import StudyConfig

INPUTS = Inputs(
    data=[("train", "digest", "training")],
    parameters=1_000_000,
    characters=3_000_000,
    rows={"search": 1000, "confirm": 5000},
    contamination="none",
)
MEASURED = ProbeResult(
    points=(BatchSizeCost(16, 40.0, 500.0), BatchSizeCost(64, 20.0, 900.0)),
    evaluation_seconds={"dev": 2.0, "synthetic-test": 6.0},
    busy_seconds=3.0,
    host="somewhere",
    on_gpu=False,
)


def study(**changes: Any) -> StudyConfig:
    base = settings()
    return StudyConfig.model_validate(
        {
            "name": "small",
            **base.pop("data"),
            **base,
            "space": {"batch_size": {"choice": [64, 16]}},
            "search": {"sampler": "random", "trials": 8, "scheduler": "asha"},
            "confirm": {"mixing_ratio": [0.0, 0.5], "seeds": 5},
            "resources": {"hourly_price": 36.0},
        }
        | changes
    )


def test_the_time_of_parallel_trials_has_a_low_and_a_high_end() -> None:
    plan = extrapolate(study(), INPUTS, MEASURED, startup=10.0, at_a_time=4)
    search, confirm = plan.phases
    # Half of the trials stop at half of the budget: 3/4 of the training, 3/2 evaluations of dev.
    low, high = 0.75 * (40 + 20) / 2 + 1.5 * 2, 40 + 2 * 2
    assert search.trial_seconds == pytest.approx((8 * low, 8 * high))
    assert search.seconds == pytest.approx((10 + 8 / 4 * low, 10 + 2 * high))
    # The best batch size is one of the two; ten trials, four at a time, take at most three rounds.
    low, high = 20 + 8, 40 + 8
    assert confirm.trial_seconds == pytest.approx((10 * low, 10 * high))
    assert confirm.seconds == pytest.approx((10 + 10 / 4 * low, 10 + 3 * high))
    assert plan.seconds[0] == pytest.approx(search.seconds[0] + confirm.seconds[0])
    assert plan.cost is not None
    assert plan.cost[1] == pytest.approx((search.trial_seconds[1] + 10 * high) * 36 / 3600)


def test_disk_is_the_sum_of_all_that_a_study_writes() -> None:
    plan = extrapolate(study(), INPUTS, MEASURED, startup=10.0, at_a_time=4)
    # 4 MB of weights: two checkpoints of three times the weights for each of four trials, one
    # encoder for each of two ratios; 8 x 1000 + 10 x 5000 rows of 20 bytes in 8 + 10 x 2 tables
    # of 0.06 MB; 0.1 MB of other files for each of 18 trials; a report on one benchmark; 4 bytes
    # for every third character.
    recorded = 1.16 + 28 * 0.06 + 18 * 0.1 + (4 + 8)
    assert plan.cache_mb == pytest.approx(4.0)
    assert plan.disk_mb == pytest.approx(4 * 2 * 3 * 4 + 2 * 4 + recorded + 18 * 0.1 + 4.0)
    assert plan.kept_mb == pytest.approx(4 + recorded)
    # The database has a row for each trial, and its artifacts are copies.
    assert plan.tracking_mb == pytest.approx(2 + 18 * 0.04 + 4 + recorded)
    assert plan.needs.tracking_mb == plan.tracking_mb
    assert plan.needs.process_mb == 900.0


def test_embeddings_in_a_file_take_disk_for_every_parallel_trial_and_are_deleted() -> None:
    without = extrapolate(study(), INPUTS, MEASURED, startup=10.0, at_a_time=4)
    inputs = replace(INPUTS, stored_mb=3000.0)
    plan = extrapolate(study(), inputs, MEASURED, startup=10.0, at_a_time=4)
    assert plan.disk_mb == pytest.approx(without.disk_mb + 4 * 3000)
    assert plan.kept_mb == without.kept_mb


def test_a_confirmation_with_its_own_batch_size_uses_it() -> None:
    alone = study(search=None, space={}, confirm={"mixing_ratio": [0.5], "at": {"batch_size": 16}})
    (phase,) = extrapolate(alone, INPUTS, MEASURED, startup=0.0, at_a_time=1).phases
    assert phase.batch_sizes == (16,)
    assert phase.seconds == pytest.approx((5 * (40 + 8), 5 * (40 + 8)))


def test_a_batch_that_does_not_fit_on_the_gpu_is_refused_before_the_study() -> None:
    points = (MEASURED.points[0], BatchSizeCost(64, None, None))
    measured = ProbeResult(points, {}, 1.0, "somewhere", on_gpu=True)
    with pytest.raises(InputError, match="batch_size 64: out of the GPU's memory on somewhere"):
        extrapolate(study(), INPUTS, measured, startup=0.0, at_a_time=1)


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    plan = extrapolate(study(), INPUTS, MEASURED, startup=10.0, at_a_time=4)
    folder = RunFolder(tmp_path)
    assert read_plan(folder) is None
    write_plan(plan, folder)
    assert read_plan(folder) == plan


def test_a_probe_measures_each_batch_size_and_benchmark_and_leaves_tokens_in_the_cache(
    tmp_path: Path,
) -> None:
    config = study().trial({}, seed=0, report=True).model_dump_json()
    measured = measure(config, (16, 64), 1, 1, 0, str(tmp_path))
    assert [point.batch_size for point in measured.points] == [16, 64]
    for point in measured.points:
        assert point.train_seconds and math.isfinite(point.train_seconds)
        assert point.memory_mb and point.memory_mb > 100
    assert measured.evaluation_seconds.keys() == {"dev", "synthetic-test"}
    assert all(seconds > 0 for seconds in measured.evaluation_seconds.values())
    assert len(list(tmp_path.glob("tokens-*/manifest.json"))) == 6, "training and two benchmarks"


def test_only_baselines_that_learn_have_training_time() -> None:
    named = study(
        search=None,
        space={},
        confirm={"mixing_ratio": [0.0, 0.5], "at": {"batch_size": 16}, "seeds": 2},
        baselines=["untrained", "bm25", "x-x", "x-y"],
    )
    inputs = replace(INPUTS, rows={"confirm": 5000, "baseline": 5000})
    confirm, baseline = extrapolate(named, inputs, MEASURED, startup=10.0, at_a_time=4).phases
    # Two untrained trials, since weights are random, one BM25 and two X-X; X-Y is confirmed.
    assert (confirm.trials, baseline.trials) == (4, 5)
    assert baseline.batch_sizes == (16,)
    assert baseline.trial_seconds == pytest.approx((2 * 40 + 5 * 8, 2 * 40 + 5 * 8))
    # Whatever the order, the last trial begins when a quarter of the other work is done.
    total, longest = 2 * 40 + 5 * 8, 40 + 8
    assert baseline.seconds == pytest.approx(
        (10 + total / 4, 10 + (total - longest) / 4 + longest)
    )


def test_a_crossed_confirmation_takes_the_time_of_its_batch_sizes_and_budgets() -> None:
    confirm = {
        "mixing_ratio": [0.0, 0.5],
        "batch_size": [16, 64],
        "pairs": [320, 640],
        "seeds": 3,
    }
    crossed = study(search=None, space={}, confirm=confirm, baselines=["x-x"])
    inputs = replace(INPUTS, rows={"confirm": 5000, "baseline": 5000})
    confirmed, baseline = extrapolate(crossed, inputs, MEASURED, startup=0.0, at_a_time=2).phases
    # The study's budget is 640 pairs: 40 s at a batch size of 16, 20 s at 64; half as many pairs
    # take half the time. Each of two ratios and three seeds has all four, and 8 s of evaluation.
    total = 2 * 3 * ((20 + 40 + 10 + 20) + 4 * 8)
    assert confirmed.trials == 2 * 2 * 2 * 3
    assert confirmed.trial_seconds == pytest.approx((total, total))
    assert confirmed.seconds == pytest.approx((total / 2, (total - 48) / 2 + 48))
    assert (confirmed.batch_sizes, confirmed.budgets) == ((16, 64), (0.5, 1.0))
    # Baselines are trained at the first values.
    assert (baseline.batch_sizes, baseline.budgets) == ((16,), (0.5,))
    assert baseline.trial_seconds == pytest.approx((3 * (20 + 8), 3 * (20 + 8)))


def test_a_large_design_keeps_no_more_encoders_than_run_at_a_time_and_the_best() -> None:
    ratios = [index / 20 for index in range(21)]
    small, large = (
        extrapolate(
            study(confirm={"mixing_ratio": ratios[:n], "seeds": 1}), INPUTS, MEASURED, 0.0, 4
        )
        for n in (5, 21)
    )
    # Five encoders each; 16 more trials leave 5000 rows of 20 bytes each, in two tables, and
    # other files.
    assert large.disk_mb - small.disk_mb == pytest.approx(16 * (0.1 + 2 * 0.06 + 0.1 + 0.1))


def test_the_bytes_of_checkpoints_follow_from_steps_time_and_their_cost() -> None:
    # 640 pairs: 40 steps at 16, 10 at 64, below the interval; only before evaluations, of which a
    # search with asha has two. 12 MB at 1 ms each take .012 s, which 20 s of training afford.
    default = study(training={"pairs": 640})
    fast = replace(MEASURED, write_seconds_per_mb=0.001)
    plan = extrapolate(default, INPUTS, fast, startup=10.0, at_a_time=4)
    assert plan.checkpoint_mb == 12.0
    assert plan.checkpoints_mb == pytest.approx((8 * 2 + 10 * 1) * 12.0)
    # At .1 s a MB one takes 1.2 s: 20 s and 40 s afford .05 / .95 * s / 1.2 = 0.88 and 1.75.
    slow = replace(MEASURED, write_seconds_per_mb=0.1)
    plan = extrapolate(default, INPUTS, slow, startup=10.0, at_a_time=4)
    # The search has each size as often; the confirmation may have the one with more of them.
    assert plan.checkpoints_mb == pytest.approx((8 * (0 + 1) / 2 + 10 * 1) * 12.0)
