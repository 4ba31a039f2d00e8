from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir.errors import InputError
from tune.space.settings import direction
from tune.study.file import DEMO, STUDIES, as_yaml, read_study_file

SMALL: dict[str, Any] = {
    "name": "small",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {"from_scratch": {"layers": 1}},
    "space": {"mixing_ratio": {"uniform": [0.0, 1.0]}},
    "search": {"trials": 2},
    "confirm": {"mixing_ratio": [0.0, 0.5], "seeds": 2},
}

GRID: dict[str, Any] = {
    "mixing_ratio": {"uniform": [0, 1], "points": 3},
    "temperature": {"choice": [0.02, 0.05, 0.1]},
}


def write(path: Path, **changes: Any) -> Path:
    file = path / "study.yaml"
    file.write_text(yaml.safe_dump(SMALL | changes))
    return file


def problem(path: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_study_file(write(path, **changes), [])
    return str(caught.value)


def test_a_range_that_makes_no_sense_is_named_with_its_place(tmp_path: Path) -> None:
    message = problem(tmp_path, space={"temperature": {"uniform": [1.0, 0.5]}})
    assert "space.temperature: uniform: the first value must lie below the second" in message


def test_the_shipped_demo_is_legal() -> None:
    study = read_study_file(DEMO, [])
    assert study.search is not None
    assert set(study.space) == {"mixing_ratio", "temperature", "batch_size"}


def test_the_error_for_a_missing_encoder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_study_file(STUDIES / "mlqa_to_xquad.yaml", [f"data_root={tmp_path}"])
    assert "encoder.path" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_all_mistakes_are_named_in_one_message(tmp_path: Path) -> None:
    message = problem(
        tmp_path,
        encoder={"from_scratch": {"layers": 0}},
        trainning={"pairs": 10},
        confirm={"mixing_ratio": [0.5, 1.2]},
    )
    assert "3 problems" in message
    assert "encoder.from_scratch.layers=0" in message
    assert "trainning: there is no such setting" in message
    assert "mixing_ratio=1.2" in message


def test_mistakes_across_sections_are_named_beside_the_others(tmp_path: Path) -> None:
    message = problem(tmp_path, space={}, tune_on=None, seed=-1)
    assert "search: needs a space" in message
    assert "search: needs tune_on: dev" in message
    assert "seed=-1" in message


def test_all_that_a_confirmation_cannot_do_is_named(tmp_path: Path) -> None:
    message = problem(
        tmp_path,
        batch={"kind": "x-x"},
        baseline_seeds=2,
        data_part={"number": 0, "of": 2},
        confirm={"mixing_ratio": [0, 1], "at": "best_per_ratio", "data_parts": 2},
    )
    for expected in (
        "confirm: at: best_per_ratio needs search.sampler: grid",
        "confirm: also sets the seeds of the baselines",
        "confirm: data_parts divides all data",
        "confirm: varies the mixing ratio, which x-x batches do not have",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": None, "confirm": None}, "nothing to do"),
        (
            {"evaluation": {"reader": {"path": "a"}}},
            "evaluation: reader: synthetic-test has no answers to be read",
        ),
        (
            {"evaluation": {"reader": {"path": "a"}}, "report_on": []},
            "evaluation: reader: needs a benchmark to read, under report_on",
        ),
        ({"search": None}, "best needs a search"),
        ({"tune_on": None}, "needs tune_on: dev"),
        ({"space": {"colour": {"choice": [1]}}}, "no such parameter"),
        ({"space": {"batch_size": {"choice": [1, 8]}}}, "batch_size=1"),
        ({"space": {"temperature": {"uniform": [0.0, 1.0]}}}, "temperature=0.0"),
        ({"confirm": {"mixing_ratio": [0.5, 0.5]}}, "named twice"),
        ({"confirm": {"mixing_ratio": [0.5], "at": {"temperature": 0}}}, "temperature=0"),
        ({"search": {"objective": "synthetic-test/map_mean"}}, "tune on reported data"),
        ({"search": {"objective": "dev/map_meen"}}, "dev/map_mean, dev/map_monolingual"),
        ({"search": {"objective": []}}, "at least one metric"),
        ({"search": {"objective": ["dev/map_mean", "dev/map_mean"]}}, "none twice"),
        (
            {
                "search": {
                    "objective": ["dev/map_mean", "dev/map_monolingual"],
                    "scheduler": "asha",
                }
            },
            "2 objectives do not rank trials for scheduler: asha",
        ),
        ({"search": {"first_rung": 0}}, "first_rung=0"),
        ({"search": {"reduction": 1}}, "reduction=1"),
        ({"search": {"sampler": "grid"}}, "number of values of mixing_ratio"),
        (
            {
                "search": {"sampler": "grid", "trials": 6},
                "space": {"mixing_ratio": {"uniform": [0, 1], "points": 5}},
            },
            "trials=6: the grid has 5 points",
        ),
        (
            {
                "search": {"sampler": "grid", "warm_start": "earlier"},
                "space": {"batch_size": {"choice": [8, 16]}},
            },
            "leave warm_start out",
        ),
        (
            {"space": {"dropout": {"uniform": [0, 0.1], "when": {"kind": "x-x"}}}},
            "kind is not searched",
        ),
        (
            {
                "space": {"kind": {"choice": ["hybrid", "x-x"]}},
                "search": {},
                "confirm": {"mixing_ratio": [0.0, 0.5], "at": "best"},
            },
            "which x-x batches do not have",
        ),
        (
            {"confirm": {"mixing_ratio": [0.0, 0.5], "at": {"kind": "en-en"}}},
            "which en-en batches do not have",
        ),
        (
            {"confirm": {"mixing_ratio": [0.5], "colour": [1]}},
            "legal are mixing_ratio, temperature",
        ),
        ({"confirm": {"mixing_ratio": [0.5], "pairs": [1, 64]}}, "confirm.pairs: pairs=1"),
        (
            {"confirm": {"mixing_ratio": [0.5], "temperature": [1, 1.0]}},
            "named twice in [1.0, 1.0]",
        ),
        ({"confirm": {"mixing_ratio": [0.5], "coin": []}}, "name at least one value"),
        ({"confirm": {"mixing_ratio": [0.1234567, 0.1234568]}}, "named twice"),
        (
            {"confirm": {"mixing_ratio": [0.5], "pairs": [64], "at": {"pairs": 32}}},
            "confirm.at: pairs is listed in confirm, too",
        ),
        ({"confirm": {"mixing_ratio": [0.5], "at": {"colour": 1}}}, "language_exponent, temp"),
        ({"space": {"pears": {"choice": [64]}}}, "pears: no such parameter"),
        ({"confirm": {"mixing_ratio": [0, 1], "kind": ["hybrid", "x-x"]}}, "which x-x batches"),
        ({"search": {"seeds": 2}}, "sampler: tpe measures a point once; set sampler to grid"),
        (
            {"search": {"sampler": "grid", "scheduler": "asha", "seeds": 2}, "space": GRID},
            "scheduler: asha would stop some seeds of a point",
        ),
        (
            {
                "search": {
                    "sampler": "grid",
                    "seeds": 2,
                    "objective": ["dev/map_monolingual", "dev/map_crosslingual"],
                },
                "space": GRID,
            },
            "2 metrics and several seeds cannot be combined",
        ),
        (
            {"search": {"sampler": "grid", "seeds": 2, "trials": 9}, "space": GRID},
            "9 points with 2 seeds each are 18 trials",
        ),
        (
            {"search": None, "confirm": {"mixing_ratio": [0.5], "at": "best_per_ratio"}},
            "best_per_ratio needs a search",
        ),
        (
            {"confirm": {"mixing_ratio": [0.5], "at": "best_per_ratio"}},
            "search.sampler: grid, not tpe, which tries some ratios more than others; search",
        ),
        (
            {
                "search": {"sampler": "grid", "seeds": 2},
                "space": GRID,
                "confirm": {"mixing_ratio": [0.5, 0.75], "at": "best_per_ratio"},
            },
            "ratios 0.75 in the search; set space.mixing_ratio to {choice: [0.5, 0.75]}",
        ),
        ({"tracking_uri": "http://me:secret@h"}, "set MLFLOW_TRACKING_USERNAME and"),
        ({"primary": []}, "at least one outcome"),
        ({"primary": {"measure": "mrr"}}, "'mrr' is not tested; legal are map, set_f1"),
        ({"primary": {"setting": "bilingual"}}, "primary.0.setting='bilingual'"),
        ({"primary": [{"measure": "f1"}, {"measure": "set_f1"}]}, "named twice"),
        ({"primary": [{}, {"benchmark": "synthetic-test"}]}, "overlap"),
        ({"primary": {"benchmark": "xquad-r"}}, "xquad-r is not reported on; legal are synthetic"),
        ({"name": "../escape"}, "name="),
        ({"name": "a" * 101}, "has 101 letters"),
        ({"name": "Cache"}, "name: 'Cache' is reserved"),  # the folder beside the studies
        ({"name": "con"}, "on Windows"),
        ({"confirm": {"mixing_ratio": [True]}}, "True is no number"),
        (
            {"search": None, "confirm": {"mixing_ratio": [0.5], "coin": "bernoulli"}},
            "space: belongs to a search",
        ),
        ({"batch": {"language_exponent": 0.5}}, "batch.language_exponent: has no effect"),
        (
            {"space": {"language_exponent": {"uniform": [0.1, 1]}}},
            "space.language_exponent: has no effect: it belongs to language_sampling: temperature",
        ),
        (
            {
                "batch": {"kind": "x-x", "coin": "stratified"},
                "confirm": {"mixing_ratio": [0.5], "at": {"language_exponent": 0.5}},
            },
            "batch.coin: has no effect: it belongs to kind: hybrid, not to x-x",
        ),
        ({"tune_on": None, "dev_share": 0.2}, "dev_share: has no effect: it belongs to tune_on"),
        ({"baseline_seeds": 2, "confirm": None}, "baseline_seeds: belongs to baselines"),
        ({"search": {"sampler": "random", "startup_trials": 2}}, "search.startup_trials: has no"),
        ({"search": {"first_rung": 0.25}}, "search.first_rung: has no effect"),
        ({"search": {"scheduler": "median", "reduction": 3}}, "belongs to scheduler: asha"),
        ({"confirm": {"mixing_ratio": [0.5], "data_parts": 1}}, "data_parts=1"),
        ({"data_part": {"number": 2, "of": 2}}, "of 2 parts the last is number 1, not 2"),
        (
            {
                "data_part": {"number": 0, "of": 2},
                "confirm": {"mixing_ratio": [0.5], "data_parts": 2},
            },
            "leave the study's own data_part out",
        ),
    ],
)
def test_impossible_settings_are_refused_with_the_remedy(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert message in problem(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "64"),
        ({"batch": {"batch_size": 9}, "space": {"batch_size": {"choice": [9, 32, 48]}}}, "32"),
        ({"confirm": {"mixing_ratio": [0.5], "at": {"batch_size": 32}}}, "64, 32"),
        (
            {"search": None, "confirm": {"mixing_ratio": [0.5], "at": {"batch_size": 32}}},
            "32",
        ),
        ({"search": None, "confirm": {"mixing_ratio": [0.5], "batch_size": [32, 9]}}, "32"),
    ],
)
def test_batches_that_the_processes_cannot_share_are_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    resources = {"processes": 3}
    expected = (
        f"resources: processes=3 cannot share batches of {message}; make batch_size a multiple"
    )
    assert expected in problem(tmp_path, resources=resources, **changes)


def test_a_range_of_batch_sizes_is_refused_if_processes_share_batches(tmp_path: Path) -> None:
    space = {"batch_size": {"integer": [16, 64]}}
    message = problem(tmp_path, resources={"processes": 2}, space=space)
    assert "space.batch_size must be a choice of its multiples" in message
    assert read_study_file(write(tmp_path, space=space), []).resources.processes == 1


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
        "at": "best"
    }
    assert study.confirm is not None
    config = study.trial(study.confirm.design[0], seed=0, report=True)
    assert (config.training.temperature, config.training.pairs) == (0.02, 64)


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


def test_an_override_that_is_there_twice_is_named_beside_the_mistakes_of_the_file(
    tmp_path: Path,
) -> None:
    file = write(tmp_path, seed=-1)
    overrides = ["batch.batch_size=8", "batch.batch_size=16", "pairs", "batch={}", "name.x=1"]
    with pytest.raises(InputError) as caught:
        read_study_file(file, overrides)
    message = str(caught.value)
    assert "study.yaml has 5 problems" in message
    assert "--set batch: replaces batch.batch_size, set before it" in message
    assert "--set name.x=1: name is one value, 'small', which can only be set whole" in message
    assert "--set batch.batch_size: is there 2 times" in message
    assert "--set pairs: expected key=value" in message
    assert "seed=-1" in message


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


@pytest.mark.parametrize("override", ["training.pairs", "=3", "seed=[1"])
def test_an_override_that_cannot_be_read_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(InputError, match="--set"):
        read_study_file(write(tmp_path), [override])


@pytest.mark.parametrize("content", ["", "- a list", "a: [unclosed", b"\xff\xfe\x00"])
def test_a_file_without_settings_is_refused(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"broken\.yaml"):
        read_study_file(file, [])


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


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"encoder.from_scratch.heads": {"choice": [1, 3]}},
            "hidden_size=128 is not divisible by heads=3",
        ),
        ({"encoder.from_scratch.heads": {"integer": [1, 2]}}, "use a choice"),
        ({"dev_share": {"uniform": [0.1, 0.2]}}, "changes what is measured"),
        (
            {"warmup": {"uniform": [0, 0.5]}, "training.warmup": {"uniform": [0, 0.1]}},
            "name it once",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(
    tmp_path: Path, space: dict[str, Any], message: str
) -> None:
    assert message in problem(tmp_path, space=space)


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
