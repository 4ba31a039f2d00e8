from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.study_files import GRID, problem, write
from tune.space.settings import direction
from tune.study.file import DEMO, as_yaml, read_study_file


def test_the_shipped_demo_is_legal() -> None:
    study = read_study_file(DEMO, [])
    assert study.search is not None
    assert set(study.space) == {"mixing_ratio", "temperature", "batch_size"}


def test_a_grid_has_as_many_trials_as_points_unless_the_study_sets_fewer(tmp_path: Path) -> None:
    space = {
        "mixing_ratio": {"uniform": [0, 1], "points": 5},
        "batch_size": {"choice": [8, 16, 32]},
    }
    whole = read_study_file(write(tmp_path, space=space, search={"sampler": "grid"}), [])
    smaller = read_study_file(
        write(tmp_path, space=space, search={"sampler": "grid", "trials": 4}), []
    )
    assert whole.search is not None
    assert smaller.search is not None
    assert (whole.search.trials, smaller.search.trials) == (5 * 3, 4)


def test_paths_of_reported_tables_hold_in_every_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"path": "mine.csv", "passages": "more.csv"}
    study = read_study_file(write(tmp_path, report_on=[{"name": "mine", "table": files}]), [])
    (report,) = study.data.report_on
    assert report.paths(None) == (tmp_path / "mine.csv", tmp_path / "more.csv")


def test_a_study_that_is_written_and_read_back_is_the_same(tmp_path: Path) -> None:
    study = read_study_file(
        write(
            tmp_path,
            space={
                "kind": {"choice": ["hybrid", "x-x"]},
                "symmetric": {"choice": [True, False]},
                "mixing_ratio": {"uniform": [0, 1], "points": 3, "when": {"kind": "hybrid"}},
            },
            search={"sampler": "grid"},
            confirm=None,
        ),
        [],
    )
    (tmp_path / "again.yaml").write_text(as_yaml(study))
    again = read_study_file(tmp_path / "again.yaml", [])
    assert again == study
    assert again.space["symmetric"].choice == (True, False)


def test_a_study_without_development_data_has_none_when_it_is_read_back(tmp_path: Path) -> None:
    confirm = {"mixing_ratio": [0, 1], "temperature": 0.05}
    study = read_study_file(
        write(tmp_path, search=None, space={}, confirm=confirm, tune_on=None), []
    )
    (tmp_path / "again.yaml").write_text(as_yaml(study))
    assert read_study_file(tmp_path / "again.yaml", []) == study


def test_crossed_values_are_listed_parameters_so_that_no_search_is_needed(tmp_path: Path) -> None:
    confirm = {"mixing_ratio": [0, 0.5], "temperature": [0.02, 0.05], "pairs": 64, "seeds": 2}
    study = read_study_file(write(tmp_path, search=None, space={}, confirm=confirm), [])
    (tmp_path / "again.yaml").write_text(as_yaml(study))
    assert read_study_file(tmp_path / "again.yaml", []) == study
    recorded = yaml.safe_load(as_yaml(study))
    assert recorded["confirm"] == {**confirm, "mixing_ratio": [0.0, 0.5], "pairs": [64]} | {
        "at": "best",
        "first_seed": 0,
    }
    assert study.confirm is not None
    config = study.trial(study.confirm.design[0], seed=0, report=True)
    assert (config.training.temperature, config.training.pairs) == (0.02, 64)


def test_a_listed_point_of_each_ratio_is_read_back(tmp_path: Path) -> None:
    points = [{"mixing_ratio": 0.0, "temperature": 0.02}, {"mixing_ratio": 1.0, "batch_size": 16}]
    confirm = {"mixing_ratio": [0, 1], "at": points}
    study = read_study_file(write(tmp_path, search=None, space={}, confirm=confirm), [])
    (tmp_path / "again.yaml").write_text(as_yaml(study))
    assert read_study_file(tmp_path / "again.yaml", []) == study
    assert yaml.safe_load(as_yaml(study))["confirm"]["at"] == points


def test_each_ratio_may_have_its_own_best_values_if_a_grid_measured_them(tmp_path: Path) -> None:
    # The third of ten steps is 0.30000000000000004.
    space = {**GRID, "mixing_ratio": {"uniform": [0, 1], "points": 11}}
    confirm = {"mixing_ratio": [0.3, 1], "at": "best_per_ratio", "pairs": [32, 64]}
    search = {"sampler": "grid", "seeds": 2}
    study = read_study_file(write(tmp_path, space=space, search=search, confirm=confirm), [])
    assert study.search is not None
    assert study.search.trials == 11 * 3 * 2
    (tmp_path / "again.yaml").write_text(as_yaml(study))
    assert read_study_file(tmp_path / "again.yaml", []) == study


def test_all_points_of_a_search_share_their_seeds_and_none_with_the_confirmation(
    tmp_path: Path,
) -> None:
    changes = {"space": GRID, "search": {"sampler": "grid", "seeds": 2}}
    study = read_study_file(write(tmp_path, **changes), [])
    seeds = [study.search_seed(number) for number in range(18)]
    assert seeds == [seeds[0]] * 9 + [seeds[9]] * 9
    assert [study.proposal(number) for number in range(18)] == [*range(9), *range(9)]
    assert len({*seeds, *(repeat.seed for repeat in study.repeats)}) == 4


def test_the_primary_outcome_is_map_in_the_pool_of_all_languages_unless_declared(
    tmp_path: Path,
) -> None:
    default = read_study_file(write(tmp_path), []).primary
    assert list(map(str, default)) == ["map multilingual"]
    declared = [{"measure": "f1", "benchmark": "synthetic-test"}, {"setting": "cross-lingual"}]
    study = read_study_file(write(tmp_path, primary=declared), [])
    assert list(map(str, study.primary)) == [
        "set_f1 multilingual: synthetic-test",
        "map crosslingual",
    ]
    assert yaml.safe_load(as_yaml(study))["primary"][0]["measure"] == "set_f1"


def test_one_or_several_objectives_are_a_tuple(tmp_path: Path) -> None:
    both = ["dev/map_monolingual", "dev/map_crosslingual"]
    several = read_study_file(write(tmp_path, search={"objective": both}), []).search
    single = read_study_file(write(tmp_path), []).search
    assert several is not None
    assert single is not None
    assert several.objectives == tuple(both)
    assert single.objectives == ("dev/map_mean",)


def test_overrides_are_dotted_and_typed_as_yaml(tmp_path: Path) -> None:
    file = write(tmp_path)
    overrides = ["training.pairs=640", "confirm.mixing_ratio=[0, 1]", "training.symmetric=true"]
    study = read_study_file(file, overrides)
    assert study.training.pairs == 640
    assert study.training.symmetric is True
    assert study.confirm is not None
    assert study.confirm.mixing_ratio == (0.0, 1.0)
    assert study.confirm.seeds == 2, "other settings stay"


def test_every_path_of_a_study_is_absolute_and_may_begin_with_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    changes: dict[str, Any] = {
        "train": {"mix": [{"table": {"path": "a.csv"}}, {"table": {"path": "~/b.csv"}}]},
        "report_on": [{"name": "xquad-r"}, {"name": "mine", "folder": "~/mine", "language": "pl"}],
        "data_root": "~/data",
        "encoder": {"path": "~/encoder"},
        "storage": "~/results",
        "tracking_uri": "~/mlruns",
    }
    study = read_study_file(write(tmp_path, **changes), [])
    tables = [source.table.path for source in study.train.sources if source.table]
    assert tables == [tmp_path / "a.csv", Path("/home/me/b.csv")]
    home = [study.data_root, study.encoder.path, study.storage, study.report_on[1].folder]
    assert home == [Path("/home/me") / name for name in ("data", "encoder", "results", "mine")]
    assert study.tracking_uri == "/home/me/mlruns"
    assert read_study_file(write(tmp_path, storage="out"), []).storage == Path("out")


def test_a_search_trial_does_not_know_the_reported_benchmarks(tmp_path: Path) -> None:
    study = read_study_file(write(tmp_path), [])
    parameters: dict[str, Any] = {"mixing_ratio": 0.25, "temperature": 0.5, "dropout": 0.1}
    searched = study.trial(parameters, seed=3, report=False)
    assert searched.data.report_on == ()
    assert (searched.batch.mixing_ratio, searched.training.temperature) == (0.25, 0.5)
    assert (searched.encoder.dropout, searched.seed) == (0.1, 3)
    confirmed = study.trial(parameters, seed=3, report=True)
    assert [benchmark.name for benchmark in confirmed.data.report_on] == ["synthetic-test"]


OPEN_SPACE: dict[str, Any] = {
    "mixing_ratio": {"uniform": [0, 1]},
    "training.learning_rate": {"loguniform": [0.0001, 0.01]},
    "encoder": {
        "pooling": {"choice": ["mean", "cls"]},
        "from_scratch": {"layers": {"choice": [1, 2]}},
    },
    "training.pairs": {"choice": [64, 128]},
}


def test_any_setting_of_a_trial_is_searched_by_its_dotted_name(tmp_path: Path) -> None:
    study = read_study_file(write(tmp_path, space=OPEN_SPACE), [])
    assert set(study.space) == {
        *("mixing_ratio", "learning_rate", "pairs"),
        *("encoder.pooling", "encoder.from_scratch.layers"),
    }
    config = study.trial(
        {
            **{"learning_rate": 0.001, "encoder.pooling": "cls"},
            **{"encoder.from_scratch.layers": 2, "pairs": 64},
        },
        seed=0,
        report=False,
    )
    assert config.encoder.pooling == "cls"
    assert config.encoder.from_scratch is not None
    assert config.encoder.from_scratch.layers == 2
    assert (config.training.learning_rate, config.training.pairs) == (0.001, 64)
    assert study.dearest == {"pairs": 128, "encoder.from_scratch.layers": 2}
    again = read_study_file(write_text(tmp_path, as_yaml(study)), [])
    assert again == study


def write_text(path: Path, text: str) -> Path:
    (path / "again.yaml").write_text(text)
    return path / "again.yaml"


def test_objectives_are_figures_of_the_development_benchmark(tmp_path: Path) -> None:
    two = ["dev/ndcg_at_10_crosslingual", "dev/rank_distance"]
    study = read_study_file(write(tmp_path, search={"trials": 2, "objective": two}), [])
    assert study.search is not None
    assert [direction(name) for name in study.search.objectives] == ["maximize", "minimize"]
    assert study.trial({}, seed=0, report=False).evaluation.development_figures == tuple(two)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"objective": "dev/answer_f1_multilingual"}, "is not measured"),
        ({"objective": two, "scheduler": "asha"}, "stop_by: dev/ndcg_at_10_crosslingual"),
        ({"objective": two[:1], "stop_by": two[0]}, "belongs to several objectives"),
        ({"objective": two, "scheduler": "asha", "stop_by": "dev/map_mean"}, "is no objective"),
        ({"objective": two, "sampler": "cma-es"}, "follows one"),
        ({"sampler": "random", "sampler_arguments": {"a": 1}}, "named by its path"),
    ]
    for changes, message in refused:
        assert message in problem(tmp_path, search={"trials": 2, **changes})
