"""Study files that are refused, and the message."""

from pathlib import Path
from typing import Any

import pytest

from hybridir.errors import InputError
from tests.support.study_files import GRID, problem, write
from tune.study.file import STUDIES, read_study_file


def test_a_range_that_makes_no_sense_is_named_with_its_place(tmp_path: Path) -> None:
    message = problem(tmp_path, space={"temperature": {"uniform": [1.0, 0.5]}})
    assert "space.temperature: uniform: the first value must lie below the second" in message


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
        confirm={"mixing_ratio": [0.5, 1.2], "seed": 3},
    )
    assert "4 problems" in message
    assert "encoder.from_scratch.layers=0" in message
    assert "trainning: there is no such setting; did you mean training?" in message
    assert "confirm.seed: there is no such setting; did you mean seeds?" in message
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
        (
            {"confirm": {"mixing_ratio": [0, 1], "at": [{"temperature": 0.1}]}},
            "each point of a list belongs to a ratio; begin it with mixing_ratio",
        ),
        (
            {"confirm": {"mixing_ratio": [0, 0.5, 1], "at": [{"mixing_ratio": 0.5}]}},
            "has no point for mixing ratio 0, 1; add one for each",
        ),
        (
            {"confirm": {"mixing_ratio": [0], "at": [{"mixing_ratio": 0}, {"mixing_ratio": 1}]}},
            "has a point for mixing ratio 1, which confirm does not train",
        ),
        (
            {"confirm": {"mixing_ratio": [0], "at": [{"mixing_ratio": 0}, {"mixing_ratio": 0}]}},
            "a mixing ratio is named twice in [0.0, 0.0]",
        ),
        (
            {
                "confirm": {
                    "mixing_ratio": [0],
                    "pairs": [64],
                    "at": [{"mixing_ratio": 0, "pairs": 64}],
                }
            },
            "pairs is listed in confirm, too; name it once",
        ),
        (
            {"confirm": {"mixing_ratio": [0], "at": [{"mixing_ratio": 0, "temperature": 0}]}},
            "mixing_ratio 0: temperature=0: input should be greater than 0",
        ),
        (
            {"confirm": {"mixing_ratio": [0], "data_parts": 2, "first_seed": 2}},
            "first_seed counts seeds of all data",
        ),
        ({"confirm": {"mixing_ratio": [0], "at": []}}, "no point for mixing ratio 0"),
        ({"confirm": {"mixing_ratio": [0], "at": [0.05]}}, "confirm.at"),
        (
            {"confirm": {"mixing_ratio": [0.5], "temperature": [0, 0.1, "hot"]}},
            "temperature=0: input should be greater than 0; temperature=hot: ",
        ),
        (
            {"space": {"temperature": {"choice": [0, 0.1, -1]}}},
            "temperature=0: input should be greater than 0; temperature=-1: ",
        ),
        ({"search": {"objective": "synthetic-test/map_mean"}}, "tune on reported data"),
        ({"search": {"objective": "dev/map_meen"}}, "is not measured; did you mean dev/map_mean?"),
        ({"search": {"objective": "dev/qqqqqqqqqqqq"}}, "dev/map_mean, dev/map_monolingual"),
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
        ({"space": {"pears": {"choice": [64]}}}, "pears: no such parameter; did you mean pairs?"),
        (
            {"space": {"mixing_ration": {"choice": [0]}, "encoder.pooling": {"choice": ["clss"]}}},
            "pooler alone; mixing_ration: no such parameter; did you mean mixing_ratio?",
        ),
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
        ({"tracking_uri": "me:secret@h:5000"}, "set MLFLOW_TRACKING_USERNAME and"),
        ({"tracking_uri": "http://h:5000?token=secret"}, "or MLFLOW_TRACKING_TOKEN, on the"),
        ({"primary": []}, "at least one outcome"),
        ({"primary": {"measure": "mrr"}}, "'mrr' is not tested; legal are map, set_f1"),
        ({"primary": {"setting": "bilingual"}}, "primary.0.setting='bilingual'"),
        ({"primary": [{"measure": "f1"}, {"measure": "set_f1"}]}, "named twice"),
        ({"primary": [{}, {"benchmark": "synthetic-test"}]}, "overlap"),
        ({"primary": {"benchmark": "xquad-r"}}, "xquad-r is not reported on; legal are synthetic"),
        ({"name": "../escape"}, "name='../escape': write letters (a to z), digits, '_', '.'"),
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


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"encoder.from_scratch.heads": {"choice": [1, 3]}},
            "hidden_size=128 is not divisible by heads=3",
        ),
        ({"encoder.from_scratch.heads": {"integer": [1, 2]}}, "use a choice"),
        ({"dev_share": {"uniform": [0.1, 0.2]}}, "changes what is measured"),
        ({"data": {"dev_share": {"low": 0.1}}}, "data.dev_share: changes what is measured"),
        ({"evaluation": {"depth": {"values": [1]}}}, "evaluation.depth: changes what is"),
        ({"colour": {"low": 0.1}}, "colour: no such parameter"),
        (
            {"temperature": {"low": 0.1}},
            "space.temperature.low: there is no such setting; legal are uniform, loguniform",
        ),
        ({"encoder": {"pooling": {"chioce": ["cls"]}}}, "did you mean choice?"),
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


@pytest.mark.parametrize("levels", [[0.05, 0.2], {"choice": [0.05, 0.2]}])
def test_several_values_of_a_fixed_parameter_name_the_setting_that_crosses_them(
    tmp_path: Path, levels: Any
) -> None:
    message = problem(tmp_path, confirm={"mixing_ratio": [0.5], "at": {"temperature": levels}})
    assert f"confirm.at: temperature has one value here, not {levels}" in message
    assert "several are listed as confirm.temperature" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "ends", "whole"),
    [
        ("batch_size", {"uniform": [16, 32]}, "[16, 32]"),
        ("pairs", {"loguniform": [320, 640]}, "[320, 640]"),
        ("encoder.from_scratch.layers", {"uniform": [1, 2]}, "[1, 2]"),
    ],
)
def test_a_range_between_whole_numbers_names_the_kind_that_has_them_alone(
    tmp_path: Path, name: str, ends: Any, whole: str
) -> None:
    message = problem(tmp_path, space={name: ends})
    assert f"{name} takes whole numbers; write integer: {whole}" in message


@pytest.mark.parametrize(
    ("sampler", "arguments", "expected"),
    [
        (
            "optuna.samplers:RandomSampler",
            {"sed": 1},
            "search.sampler_arguments: got an unexpected keyword argument 'sed'; "
            "RandomSampler takes seed",
        ),
        (
            "optuna.samplers:PartialFixedSampler",
            {"fixed_params": {}},
            "missing a required argument: 'base_sampler'; PartialFixedSampler takes "
            "fixed_params, base_sampler",
        ),
    ],
)
def test_arguments_that_a_sampler_of_ones_own_does_not_take_are_refused(
    tmp_path: Path, sampler: str, arguments: Any, expected: str
) -> None:
    search = {"sampler": sampler, "sampler_arguments": arguments, "trials": 2}
    assert expected in problem(tmp_path, search=search)


def test_an_objective_without_its_benchmark_is_corrected(tmp_path: Path) -> None:
    message = problem(tmp_path, search={"objective": "map_mean", "trials": 2})
    assert "'map_mean' is not measured; did you mean dev/map_mean?" in message
    reported = problem(tmp_path, search={"objective": "xquad-r/map_mean", "trials": 2})
    assert "would tune on reported data" in reported


def test_a_sampler_without_arguments_that_it_needs_is_refused(tmp_path: Path) -> None:
    search = {"sampler": "optuna.samplers:PartialFixedSampler", "trials": 2}
    assert "search.sampler_arguments: missing a required argument" in problem(
        tmp_path, search=search
    )
