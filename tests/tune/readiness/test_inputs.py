import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir.errors import InputError
from hybridir.runtime.commands import script
from tests.support.layouts import beir
from tests.support.reading import write_reader, write_xquad_r
from tests.support.training_data import write_table
from tune.folders import RunFolder
from tune.readiness.inputs import (
    batch_sizes,
    check_same_inputs,
    check_study,
    input_paths,
    record_inputs,
    recorded_inputs,
)
from tune.study.file import StudyConfig, read_study_file

SMALL: dict[str, Any] = {
    "name": "small",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {"from_scratch": {"layers": 1, "hidden_size": 16, "heads": 1}},
    "confirm": {"mixing_ratio": [0.0, 0.5], "at": {"temperature": 0.05}},
}


@pytest.fixture
def study(tmp_path: Path) -> Any:
    def load(**changes: Any) -> StudyConfig:
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL | changes))
        return read_study_file(tmp_path / "study.yaml", [])

    return load


def test_a_check_names_each_data_set_with_its_role(study: Any) -> None:
    data = check_study(study()).data
    assert [(name, role) for name, _, role in data] == [
        ("train", "training"),
        ("dev", "tuning"),
        ("synthetic-test", "reporting"),
    ]
    assert len({digest for _, digest, _ in data}) == 3


def test_what_is_met_in_the_files_of_a_benchmark_is_recorded(study: Any, tmp_path: Path) -> None:
    report = {"name": "scifact", "folder": str(beir(tmp_path / "scifact")), "language": "en"}
    assert check_study(study(report_on=["synthetic-test", report])).judgements == {
        "scifact": "queries without a judgement: 1, left out, as in trec_eval. judgements with a "
        "grade above 1: 1, nDCG gains the grade, as in trec_eval; rules: in_pool takes each as 1"
    }


def test_the_batch_of_the_confirmation_must_fit(study: Any) -> None:
    confirm = {"mixing_ratio": [0.5], "at": {"batch_size": 4096}}
    with pytest.raises(InputError, match="4096"):
        check_study(study(confirm=confirm))


def test_all_batches_that_cannot_be_filled_are_named_at_once(study: Any) -> None:
    space = {"batch_size": {"choice": [16, 4096, 8192]}}
    with pytest.raises(InputError) as error:
        check_study(study(space=space, search={"trials": 2}))
    assert "4096" in str(error.value)
    assert "8192" in str(error.value)


def test_the_size_of_the_study_is_known_for_the_plan(study: Any) -> None:
    inputs = check_study(study())
    assert inputs.training_digest == inputs.data[0][1]
    # One layer of width 16: vocabulary x 16 weights and more, far fewer than 100,000.
    assert 1_000 < inputs.parameters < 100_000
    assert inputs.rows["confirm"] > inputs.rows["search"] > 0
    assert inputs.stored_mb == 0.0


def test_what_a_run_reads_is_recorded_once_and_other_data_are_refused_with_the_command(
    study: Any, tmp_path: Path
) -> None:
    table = write_table(tmp_path, questions=200)
    mine = study(train={"table": {"path": str(table)}}, report_on=[])
    run = RunFolder(tmp_path / "results" / "small" / "run-001")
    check_same_inputs(mine, run)  # begun by a version that recorded nothing
    assert recorded_inputs(run) is None
    inputs = check_study(mine)
    record_inputs(inputs, run)
    assert recorded_inputs(run) == inputs
    check_same_inputs(mine, run)

    before = table.read_text()
    table.write_text(before.replace("de question 4", "de question four"))
    record_inputs(check_study(mine), run)
    with pytest.raises(InputError) as refused:
        check_same_inputs(mine, run)
    command = script("tune/run_sweep.py", str(run.study_file), "--set", "name=small-anew")
    assert str(refused.value) == (
        f"training data, {table}: changed since {run.path} began, so that its trials cannot be "
        f"compared; put the files back, or start anew under another name: {command}"
    )
    table.write_text(before)
    check_same_inputs(mine, run)
    run.inputs.write_text("{")
    whole = json.dumps(asdict(inputs))
    for damaged in (
        "{",
        json.dumps(json.loads(whole) | {"data": []}),
        json.dumps(json.loads(whole) | {"digests": {}}),
    ):
        run.inputs.write_text(damaged)
        with pytest.raises(InputError, match=r"inputs\.json: is damaged .*delete it, and the"):
            check_same_inputs(mine, run)


def test_the_files_that_trials_read_are_listed_as_the_study_names_them(study: Any) -> None:
    mix = [{"table": {"path": "/a.csv"}}, {"lareqa": {"name": "mlqa-r"}}]
    reports = ["xquad-r", {"name": "mine", "table": {"path": "/b.csv", "passages": "/c.csv"}}]
    encoder = {"path": "/encoder"}
    mine = study(train={"mix": mix}, report_on=reports, data_root="/data", encoder=encoder)
    expected = ["/data/mlqa-r", "/data/xquad-r", "/b.csv", "/c.csv", "/a.csv", "/encoder"]
    assert input_paths(mine) == expected
    assert input_paths(study()) == []


def test_the_size_of_embeddings_in_a_file_is_known(study: Any) -> None:
    # 480 test passages: 16 numbers of 4 bytes each in a file; in memory also 256 scores.
    file_mb, needed = 480 * 16 * 4 / 1e6, 480 * (16 + 256) * 4 / 1e6
    for memory_mb, stored_mb in ((0.99 * needed, file_mb), (needed, 0.0)):
        inputs = check_study(study(evaluation={"memory_mb": memory_mb}))
        assert inputs.stored_mb == pytest.approx(stored_mb)


def test_each_phase_has_its_batch_sizes(study: Any) -> None:
    assert batch_sizes(study(batch={"batch_size": 24})) == {"confirm": (24,)}
    space = {"batch_size": {"choice": [64, 16]}}
    at_best = {"mixing_ratio": [0.5]}
    assert batch_sizes(study(space=space, search={"trials": 2}, confirm=at_best)) == {
        "search": (16, 64),
        "confirm": (16, 64),
    }
    fixed = {"mixing_ratio": [0.5], "at": {"batch_size": 8}}
    assert batch_sizes(study(space=space, search={"trials": 2}, confirm=fixed)) == {
        "search": (16, 64),
        "confirm": (8,),
    }


def test_batches_of_each_ratios_own_point_are_checked_with_that_ratio(study: Any) -> None:
    at = [{"mixing_ratio": 0.0, "batch_size": 8}, {"mixing_ratio": 0.5, "batch_size": 16}]
    own = {"mixing_ratio": [0.0, 0.5], "at": at}
    sizes = batch_sizes(study(confirm=own, baselines=["x-x"], batch={"batch_size": 24}))
    assert sizes == {"confirm": (8, 16), "baseline": (24,)}
    with pytest.raises(InputError, match="4096"):
        check_study(study(confirm={**own, "at": [at[0], {**at[1], "batch_size": 4096}]}))


def test_every_listed_batch_size_is_checked_and_the_first_is_the_baselines(study: Any) -> None:
    crossed = {"mixing_ratio": [0.0, 0.5], "batch_size": [32, 8], "pairs": [64, 128]}
    assert batch_sizes(study(confirm=crossed, baselines=["x-x"])) == {
        "confirm": (8, 32),
        "baseline": (32,),
    }
    with pytest.raises(InputError, match="4096"):
        check_study(study(confirm={**crossed, "batch_size": [8, 4096]}))


def test_baselines_have_the_batch_sizes_of_the_confirmation_or_the_studys_own(study: Any) -> None:
    fixed = {"mixing_ratio": [0.5], "at": {"batch_size": 8}}
    assert batch_sizes(study(confirm=fixed, baselines=["x-x"]))["baseline"] == (8,)
    assert "baseline" not in batch_sizes(study(confirm=fixed, baselines=["hybrid"]))
    alone = study(confirm=None, baselines=["x-x"], batch={"batch_size": 24})
    assert batch_sizes(alone) == {"baseline": (24,)}


def test_batches_of_a_baseline_that_cannot_be_filled_are_refused(study: Any) -> None:
    # The synthetic languages do not include English.
    with pytest.raises(InputError, match="en-en"):
        check_study(study(baselines=["en-en"]))


def test_a_missing_bm25_package_is_reported_before_anything_is_loaded(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)  # as Python marks what cannot be imported
    with pytest.raises(InputError, match="needs the package bm25s"):
        check_study(study(baselines=["bm25"]))


def test_a_reader_is_loaded_before_anything_is_written(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reads = {
        "report_on": ["xquad-r"],
        "data_root": str(write_xquad_r(tmp_path / "data")),
        "evaluation": {"reader": {"path": "reader"}},
    }
    with pytest.raises(InputError, match=r"reader .*: config\.json and tokenizer\.json missing"):
        check_study(study(**reads))
    write_reader(tmp_path / "reader")
    checked = study(**reads)
    check_study(checked)
    # Trials run in other folders and on other nodes.
    assert checked.evaluation.reader.path == tmp_path / "reader"
    assert not list(tmp_path.glob("**/answers-*"))


def test_an_objective_that_the_development_data_cannot_have_is_refused_with_those_they_can(
    study: Any,
) -> None:
    space = {"mixing_ratio": {"uniform": [0, 1]}}

    def search(*objectives: str) -> StudyConfig:
        return study(space=space, search={"trials": 2, "objective": list(objectives)})  # type: ignore[no-any-return]

    check_study(search("dev/mrr_crosslingual", "dev/complete_at_r"))
    with pytest.raises(InputError) as error:
        check_study(search("dev/map_mean", "dev/peer"))
    message = str(error.value)
    assert "the development data cannot have dev/peer" in message
    assert "dev/rank_distance" in message
