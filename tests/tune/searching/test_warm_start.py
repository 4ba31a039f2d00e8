from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from hybridir.errors import InputError
from tune.folders import RunFolder, new_run
from tune.searching.searcher import NUMBER, open_study, own_trials, start_study
from tune.searching.warm_start import ORIGIN, WarmStart, find_source, record_data, warm_start
from tune.space.parameters import Value
from tune.space.ranges import Space
from tune.study.file import StudyConfig, as_yaml

SETTINGS: dict[str, Any] = {
    "name": "earlier",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {"from_scratch": {"layers": 1}},
    "space": {"mixing_ratio": {"uniform": [0, 1]}, "dropout": {"uniform": [0, 0.5]}},
    "search": {"startup_trials": 2},
    "seed": 1,
}
# Ratio, dropout and value of the earlier trials; the third was stopped, the last failed.
EARLIER = [(0.1, 0.1, 0.3), (0.2, 0.4, 0.9), (0.3, 0.1, 0.95), (0.9, 0.2, 0.6), (0.5, 0.3, None)]


def study_of(storage: Path, **changes: Any) -> StudyConfig:
    return StudyConfig.model_validate(SETTINGS | {"storage": storage} | changes)


def opened(study: StudyConfig, folder: RunFolder, data: str = "0123") -> optuna.Study:
    assert study.search is not None
    search = start_study(folder.journal, study.name, study.search.objectives, study.space)
    record_data(search, {"train": data, "dev": "4567"})
    return search


def past(parameters: dict[str, Value], value: float | None, number: int, space: Space) -> Any:
    states = {2: TrialState.PRUNED, 4: TrialState.FAIL}
    state = states.get(number, TrialState.COMPLETE)
    return create_trial(
        state=state,
        params=parameters,
        distributions={name: space[name].distribution for name in parameters},
        value=value if state is TrialState.COMPLETE else None,
        intermediate_values={50: value} if value is not None else {},
        user_attrs={NUMBER: number},
    )


@pytest.fixture
def source(tmp_path: Path) -> RunFolder:
    """An earlier run with the journal of its search."""
    study = study_of(tmp_path)
    folder = new_run(tmp_path, "earlier")
    folder.study_file.write_text(as_yaml(study))
    journal = opened(study, folder)
    for number, (ratio, dropout, value) in enumerate(EARLIER):
        point: dict[str, Value] = {"mixing_ratio": ratio, "dropout": dropout}
        journal.add_trial(past(point, value, number, study.space))
    return folder


def start(
    storage: Path, source: RunFolder, data: str = "0123", **changes: Any
) -> tuple[WarmStart, optuna.Study]:
    search = {"warm_start": "earlier"} | changes.pop("search", SETTINGS["search"])
    study = study_of(storage, name="later", search=search, **changes)
    folder = RunFolder(storage / "later" / "run-001")
    journal = opened(study, folder, data)
    return warm_start(journal, study, folder), journal


def imported(study: optuna.Study) -> dict[str, FrozenTrial]:
    return {Path(trial.user_attrs[ORIGIN]).name: trial for trial in study.trials}


def test_complete_trials_are_imported_if_every_decisive_setting_is_equal(
    tmp_path: Path, source: RunFolder
) -> None:
    # None of these settings decides a value.
    result, study = start(tmp_path, source, seed=9, report_on=[], resources={"cpu": 2})
    trials = imported(study)
    assert {name: trial.value for name, trial in trials.items()} == {
        "search-000": 0.3, "search-001": 0.9, "search-003": 0.6,
    }  # fmt: skip
    assert trials["search-001"].params == {"mixing_ratio": 0.2, "dropout": 0.4}
    assert trials["search-001"].user_attrs[ORIGIN] == str(source.path / "trials" / "search-001")
    assert own_trials(study) == {}
    assert result.proposals == []
    assert "imported 3 trials" in result.message
    assert "with their values" in result.message


def test_trials_outside_the_space_are_not_imported(tmp_path: Path, source: RunFolder) -> None:
    space = {"mixing_ratio": {"uniform": [0, 0.5]}, "dropout": {"uniform": [0, 0.5]}}
    result, study = start(tmp_path, source, space=space)
    assert imported(study).keys() == {"search-000", "search-001"}
    assert "2 trials" in result.message
    assert "1 lie outside the space" in result.message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training": {"pairs": 640}}, "training.pairs"),
        ({"encoder": {"from_scratch": {"layers": 2}}}, "encoder.from_scratch"),
        ({"batch": {"coin": "stratified"}}, "batch.coin"),
        ({"train": {"synthetic": {"languages": 3}}}, "train.synthetic"),
        ({"dev_share": 0.2}, "dev_share"),
        ({"evaluation": {"batch_tokens": 1024}}, "evaluation.batch_tokens"),
        (
            {"search": {"objective": "dev/map_monolingual", "startup_trials": 2}},
            "search.objective",
        ),
        ({"data": "another"}, "the data themselves"),
    ],
)
def test_if_a_decisive_setting_differs_the_best_parameters_are_proposed_first(
    tmp_path: Path, source: RunFolder, changes: dict[str, Any], named: str
) -> None:
    result, study = start(tmp_path, source, **changes)
    assert study.trials == []
    # The values of the complete ones are 0.9, 0.6, 0.3, and startup_trials is 2.
    assert result.proposals == [
        {"mixing_ratio": 0.2, "dropout": 0.4},
        {"mixing_ratio": 0.9, "dropout": 0.2},
    ]
    assert "best 2 parameters" in result.message
    assert named in result.message


def test_only_parameters_that_the_new_space_has_are_proposed(
    tmp_path: Path, source: RunFolder
) -> None:
    space = {"dropout": {"uniform": [0, 0.3]}, "temperature": {"uniform": [0.1, 1]}}
    result, _ = start(tmp_path, source, space=space, training={"pairs": 640})
    assert result.proposals == [{"dropout": 0.2}, {"dropout": 0.1}]


def test_a_second_warm_start_imports_nothing_twice(tmp_path: Path, source: RunFolder) -> None:
    first, _ = start(tmp_path, source)
    new_run(tmp_path, "earlier")  # a newer run, which was not the source
    again, study = start(tmp_path, source)
    assert again == first
    assert len(study.trials) == 3


def test_an_interrupted_import_is_completed(tmp_path: Path, source: RunFolder) -> None:
    _, whole = start(tmp_path, source)
    folder = RunFolder(tmp_path / "interrupted" / "run-001")
    interrupted = opened(study_of(tmp_path, name="later"), folder)
    interrupted.add_trial(whole.trials[0])
    study = study_of(tmp_path, name="later", search=SETTINGS["search"] | {"warm_start": "earlier"})
    warm_start(interrupted, study, folder)
    assert sorted(imported(interrupted)) == ["search-000", "search-001", "search-003"]
    assert len(interrupted.trials) == 3


def test_a_warm_start_of_the_version_before_is_read(tmp_path: Path, source: RunFolder) -> None:
    folder = RunFolder(tmp_path / "resumed" / "run-001")
    search = SETTINGS["search"] | {"warm_start": "earlier"}
    study = study_of(tmp_path, name="resumed", search=search)
    journal = opened(study, folder)
    journal.set_user_attr("warm_start", {"told": "taken over", "first": [{"dropout": 0.1}]})
    assert warm_start(journal, study, folder) == WarmStart("taken over", [{"dropout": 0.1}])


def test_imported_trials_are_passed_on_with_their_original_folder(
    tmp_path: Path, source: RunFolder
) -> None:
    _, later = start(tmp_path, source)
    folder = RunFolder(tmp_path / "later" / "run-001")
    folder.study_file.write_text(as_yaml(study_of(tmp_path, name="later")))
    search = SETTINGS["search"] | {"warm_start": "later"}
    study = study_of(tmp_path, name="latest", search=search)
    third = RunFolder(tmp_path / "latest" / "run-001")
    warm_start(opened(study, third), study, third)
    assert imported(open_study(third.journal, "latest")).keys() == imported(later).keys()


def test_a_genetic_sampler_breeds_from_imported_trials(tmp_path: Path, source: RunFolder) -> None:
    _, study = start(tmp_path, source)
    sampler = NSGAIISampler(seed=0, population_size=2)
    assert {t.value for t in sampler.get_population(study, 0)} == {0.3, 0.6, 0.9}


def test_a_source_is_a_study_in_the_storage_or_a_folder(tmp_path: Path, source: RunFolder) -> None:
    assert find_source(tmp_path, "earlier") == source
    assert find_source(tmp_path / "elsewhere", str(source.path)) == source


def test_a_run_is_never_its_own_source(tmp_path: Path, source: RunFolder) -> None:
    current = new_run(tmp_path, "earlier")
    current.study_file.write_text(source.study_file.read_text())
    assert find_source(tmp_path, "earlier", current.path) == source
    with pytest.raises(InputError, match="neither an earlier study"):
        find_source(tmp_path, "nothing")


def test_a_run_without_a_search_is_refused_as_a_source(tmp_path: Path, source: RunFolder) -> None:
    source.journal.unlink()
    with pytest.raises(InputError, match="had no search"):
        find_source(tmp_path, "earlier")
