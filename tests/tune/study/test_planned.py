from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hybridir.config import read_trial
from hybridir.errors import InputError
from tests.support.tiny import settings
from tune.folders import RunFolder
from tune.searching.searcher import JournalSearcher, start_study
from tune.study.file import StudyConfig
from tune.study.planned import planned_trial, proposal_sampler, trial_file

GRID = {
    "space": {"mixing_ratio": {"choice": [0.0, 1.0]}, "temperature": {"choice": [0.02, 0.05]}},
    "search": {"sampler": "grid", "seeds": 2},
}


def study(**changes: Any) -> StudyConfig:
    base = settings()
    return StudyConfig.model_validate({"name": "tiny", **base.pop("data"), **base} | changes)


def test_a_confirmed_trial_has_the_point_and_the_seed_of_its_name() -> None:
    at = [{"mixing_ratio": 0, "temperature": 0.02}, {"mixing_ratio": 0.5, "temperature": 0.1}]
    listed = study(confirm={"mixing_ratio": [0, 0.5], "pairs": [64, 128], "at": at, "seeds": 2})
    trial = planned_trial(listed, "confirm-a0.5-pairs128-s1")
    assert (trial.batch.mixing_ratio, trial.training.temperature) == (0.5, 0.1)
    assert trial.training.pairs == 128
    assert trial.seed == listed.repeats[1].seed
    assert trial.data.report_on == listed.report_on


@pytest.mark.parametrize("sampler", ["grid", "random", "quasi-random"])
def test_search_trials_are_those_that_a_search_proposes(tmp_path: Path, sampler: str) -> None:
    searched = study(
        space={
            "temperature": {"loguniform": [0.01, 0.1], "points": 3},
            "batch_size": {"choice": [8, 16]},
            "kind": {"choice": ["hybrid", "x-x"]},
            "mixing_ratio": {"uniform": [0, 1], "points": 2, "when": {"kind": ["hybrid"]}},
        },
        search={"sampler": sampler, "trials": 6},
    )
    assert searched.search is not None
    folder = RunFolder(tmp_path / "run-001")
    objectives = searched.search.objectives
    searcher = JournalSearcher(
        start_study(folder.journal, searched.name, objectives, searched.space),
        folder,
        searched.space,
        searched.search,
        sampler=lambda number: proposal_sampler(searched, number),
        make_spec=lambda number, parameters: {"number": number, "parameters": parameters},
        concurrent=0,
    )
    searcher.recover()
    for number in range(6):
        spec = searcher.suggest(f"ray-{number}")
        assert isinstance(spec, dict)
        own = searched.trial(
            spec["parameters"], seed=searched.search_seed(spec["number"]), report=False
        )
        assert planned_trial(searched, f"search-{spec['number']:03d}") == own
        searcher.on_trial_complete(f"ray-{number}", {objectives[0]: 0.1 * number, "fidelity": 1.0})


def test_a_later_run_adds_the_seeds_that_an_earlier_one_lacks() -> None:
    confirm = {"mixing_ratio": [0], "at": {"temperature": 0.1}}
    whole = study(confirm={**confirm, "seeds": 5}, baselines=["x-x"])
    later = study(confirm={**confirm, "seeds": 2, "first_seed": 3}, baselines=["x-x"])
    for name in ("confirm-a0-s3", "confirm-a0-s4", "baseline-x-x-s3"):
        assert planned_trial(later, name) == planned_trial(whole, name)
    with pytest.raises(InputError, match=r"it has confirm-a0-s3, confirm-a0-s4"):
        planned_trial(later, "confirm-a0-s0")


def test_a_grid_is_known_before_it_runs() -> None:
    searched = study(**GRID)
    trials = [planned_trial(searched, f"search-{number:03d}") for number in range(8)]
    points = Counter((t.batch.mixing_ratio, t.training.temperature) for t in trials)
    assert points == {(ratio, tau): 2 for ratio in (0.0, 1.0) for tau in (0.02, 0.05)}
    assert [trial.seed for trial in trials] == [searched.search_seed(n) for n in range(8)]
    assert not trials[0].data.report_on


@pytest.mark.parametrize("tune_on", ["dev", None])
def test_the_file_of_a_trial_is_read_back_as_it_was(tmp_path: Path, tune_on: str | None) -> None:
    fixed = study(
        confirm={"mixing_ratio": [0.5], "at": {"temperature": 0.1}},
        tune_on=tune_on,
        resources={"cpu": 3},
    )
    trial = planned_trial(fixed, "confirm-a0.5-s0")
    text = trial_file(fixed, "confirm-a0.5-s0", trial)
    (tmp_path / "trial.yaml").write_text(text)
    assert read_trial(tmp_path / "trial.yaml") == trial
    assert "OMP_NUM_THREADS=3 hybridir train trial.yaml FOLDER" in text


def test_baselines_are_known_where_no_search_decides_their_parameters() -> None:
    fixed = study(confirm={"mixing_ratio": [0], "at": {"temperature": 0.1}}, baselines=["x-x"])
    trial = planned_trial(fixed, "baseline-x-x-s0")
    assert (trial.batch.kind, trial.training.temperature) == ("x-x", 0.1)


DECIDED = "the search decides its settings"


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"confirm": {"mixing_ratio": [0], "at": {}}}, "confirm-a1-s0", "it has confirm-a0-s0"),
        ({"confirm": {"mixing_ratio": [0], "seeds": 2}} | GRID, "confirm-a0-s0", DECIDED),
        (GRID | {"search": {"trials": 3}}, "search-001", DECIDED),
        (GRID | {"baselines": ["x-x"], "baseline_seeds": 1}, "baseline-x-x-s0", DECIDED),
    ],
)
def test_a_trial_that_is_not_known_is_refused_with_what_is(
    changes: dict[str, Any], name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        planned_trial(study(**changes), name)
