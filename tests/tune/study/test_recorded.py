import hashlib
import json
from pathlib import Path

import pytest
import yaml

from hybridir.errors import InputError
from hybridir.runtime.commands import script
from tune.folders import RunFolder
from tune.study.file import DEMO, STUDIES, read_study_file
from tune.study.recorded import read_recorded, record_older, record_settings, settings_problem


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run-001")
    record_settings(read_study_file(DEMO, []), folder)
    return folder


def change(run: RunFolder, section: str, **settings: object) -> None:
    content = yaml.safe_load(run.study_file.read_text())
    content[section] |= settings
    run.study_file.write_text(yaml.safe_dump(content))


def test_unchanged_settings_are_read_without_a_word(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # another working directory than that of the start
    run.study_file.write_text("# a comment\n" + run.study_file.read_text())
    study, notes = read_recorded(run)
    assert study.name == "demo"
    assert notes == []
    assert settings_problem(run) == ""


def test_pain_37_a_changed_study_file_is_refused_with_each_setting_then_and_now(
    run: RunFolder,
) -> None:
    before = read_study_file(DEMO, []).training.learning_rate
    change(run, "training", learning_rate=1e-5, symmetric=True)
    with pytest.raises(InputError) as caught:
        read_recorded(run)
    message = str(caught.value)
    assert f"training.learning_rate: {before} at the start, 1e-05 now" in message
    assert "training.symmetric: false at the start, true now" in message
    command = script("tune/run_sweep.py", str(run.study_file))
    assert f"start a new run with the file: {command}" in message
    assert settings_problem(run) == message


def test_a_setting_that_was_taken_out_or_put_in_is_a_change(run: RunFolder) -> None:
    content = yaml.safe_load(run.study_file.read_text())
    del content["search"], content["space"]
    content["tracking_uri"] = "http://elsewhere:5000"
    content["confirm"]["at"] = {"temperature": 0.05}
    run.study_file.write_text(yaml.safe_dump(content))
    message = settings_problem(run)
    assert "search.sampler:" in message
    assert 'tracking_uri: not set at the start, "http://elsewhere:5000" now' in message


def test_what_decides_no_figure_may_be_changed_and_is_named(run: RunFolder) -> None:
    change(run, "resources", nodes=3, max_failures=7)
    study, (note,) = read_recorded(run)
    assert study.resources.nodes == 3
    assert "resources.nodes: 1 at the start, 3 now" in note
    assert "resources.max_failures: 3 at the start, 7 now" in note


def test_a_run_of_an_older_version_goes_on_with_a_sentence_on_what_it_lacks(
    run: RunFolder,
) -> None:
    run.settings.unlink()
    study, (note,) = read_recorded(run)
    assert "recorded no digest" in note
    assert "times are those of files" in note
    record_older(study, run)
    change(run, "training", learning_rate=1e-5)
    assert "learning_rate" in settings_problem(run)


def test_a_record_without_a_newer_setting_has_its_default(run: RunFolder) -> None:
    # As a version without the setting would have written both files.
    content = json.loads(run.settings.read_text())
    del content["settings"]["training"]["checkpoint_minutes"]
    canonical = json.dumps(content["settings"], sort_keys=True).encode()
    content["digest"] = hashlib.sha256(canonical).hexdigest()
    run.settings.write_text(json.dumps(content))
    assert read_recorded(run)[1] == []
    change(run, "training", checkpoint_minutes=1.0)
    assert "training.checkpoint_minutes: 5.0 at the start, 1.0 now" in settings_problem(run)


def test_a_damaged_record_is_named_with_the_remedy(run: RunFolder) -> None:
    content = json.loads(run.settings.read_text())
    content["settings"]["training"]["learning_rate"] = 1e-5
    run.settings.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"settings\.json: does not fit its own digest; delete"):
        read_recorded(run)


def test_a_study_file_of_a_run_that_was_cut_off_is_to_be_put_back(run: RunFolder) -> None:
    run.study_file.write_text(run.study_file.read_text() + "train")
    with pytest.raises(InputError, match=r"not YAML.*; it was written when the run began: put"):
        read_recorded(run)


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_is_read_back_as_it_was_recorded(file: Path, tmp_path: Path) -> None:
    try:
        study = read_study_file(file, ["encoder={from_scratch: {layers: 1}}", "data_root=."])
    except InputError:
        pytest.skip("needs settings of its own")
    folder = RunFolder(tmp_path / "run-001")
    record_settings(study, folder)
    assert read_recorded(folder)[1] == []
