from pathlib import Path

from hybridir import names
from tests.support.tiny import trial as tiny_trial
from tune.folders import Outcome, RunFolder, TrialFolder
from tune.record.curve import CurvePoint, curve_points

MAP = "bench/map_multilingual"


def confirm(run: RunFolder, ratio: float, seed: int) -> TrialFolder:
    trial = run.trial(f"confirm-a{ratio:g}-s{seed}")
    config = tiny_trial(seed=seed, batch={"batch_size": 64, "mixing_ratio": ratio})
    trial.write("config.json", config.model_dump(mode="json"))
    return trial


def end(trial: TrialFolder, time: float, state: str = names.COMPLETE, **more: float) -> None:
    trial.finalize(Outcome(state, {key.replace("__", "/"): value for key, value in more.items()}))
    trial.write("outcome.json", {**(trial.read("outcome.json") or {}), "time": time})


def test_the_mean_of_a_ratio_appears_when_all_its_seeds_have_ended_the_first_seed_sooner(
    tmp_path: Path,
) -> None:
    run = RunFolder(tmp_path)
    trials = [confirm(run, ratio, seed) for seed in range(2) for ratio in (0.25, 1.0)]
    assert curve_points(run.trials()) == []
    end(trials[0], 10, bench__map_multilingual=0.25, dev__map_multilingual=0.9)
    first = CurvePoint(f"first-seed-curve/{MAP}", 25, 0.25, 1, 10)
    assert curve_points(run.trials()) == [first]
    end(trials[2], 30, bench__map_multilingual=0.75, bench__rank_distance=4.0)
    assert curve_points(run.trials()) == [
        first,
        CurvePoint(f"curve/{MAP}", 25, 0.5, 2, 30),
        CurvePoint("curve/bench/rank_distance", 25, 4.0, 1, 30),
    ]
    end(trials[1], 40, names.FAIL)
    end(trials[3], 50, bench__map_multilingual=0.125)
    # The failed seed is left out of the mean, which covers one seed.
    assert curve_points(run.trials())[3:] == [CurvePoint(f"curve/{MAP}", 100, 0.125, 1, 50)]


def test_each_condition_has_a_curve_with_its_values_in_the_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for pairs, value in ((640, 0.25), (1280, 0.5)):
        for seed in range(2):
            trial = run.trial(f"confirm-a0.5-pairs{pairs}-s{seed}")
            config = tiny_trial(seed=seed, training={"pairs": pairs})
            trial.write("config.json", config.model_dump(mode="json"))
            end(trial, 10 + seed, bench__map_multilingual=value + seed / 4)
    assert curve_points(run.trials()) == [
        CurvePoint(f"curve/{MAP}/pairs1280", 50, 0.625, 2, 11),
        CurvePoint(f"curve/{MAP}/pairs640", 50, 0.375, 2, 11),
    ]


def test_one_seed_gives_one_curve_and_a_search_none(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    end(confirm(run, 0.5, 0), 10, bench__map_monolingual=0.5)
    search = run.trial("search-000")
    search.write("config.json", tiny_trial().model_dump(mode="json"))
    end(search, 10, bench__map_monolingual=0.5)
    assert curve_points(run.trials()) == [
        CurvePoint("curve/bench/map_monolingual", 50, 0.5, 1, 10)
    ]
