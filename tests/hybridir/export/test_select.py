import json
from pathlib import Path

import pytest

from hybridir import names
from hybridir.errors import InputError
from hybridir.export.select import best_confirmed, choose_trial
from hybridir.runtime.commands import script


def finished(run: Path, name: str, *, encoder: bool = True, **metrics: float) -> Path:
    folder = run / "trials" / name
    (folder / "encoder").mkdir(parents=True) if encoder else folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    results = {key.replace("__", "/"): value for key, value in metrics.items()}
    (folder / "result.json").write_text(json.dumps(results))
    return folder


def test_the_confirmed_trial_with_the_highest_dev_map_that_kept_its_encoder_wins(
    tmp_path: Path,
) -> None:
    finished(tmp_path, "confirm-a0-s0", dev__map_mean=0.5)
    best = finished(tmp_path, "confirm-a0.5-s0", dev__map_mean=0.6, bench__map_mean=0.1)
    finished(tmp_path, "confirm-a1-s0", dev__map_mean=0.4, bench__map_mean=0.9)
    finished(tmp_path, "confirm-a1-s1", dev__map_mean=float("nan"))
    finished(tmp_path, "confirm-a0.5-s1", encoder=False, dev__map_mean=0.7)
    finished(tmp_path, "search-000", dev__map_mean=0.8)
    (tmp_path / "trials" / "confirm-a9-s0" / "encoder").mkdir(parents=True)  # not finished
    assert best_confirmed(tmp_path / "trials") == best
    assert choose_trial(tmp_path, None) == best
    assert choose_trial(best, None) == best
    assert choose_trial(tmp_path, "search-000").name == "search-000"


def test_without_scores_on_dev_no_trial_wins_and_the_choices_are_listed(tmp_path: Path) -> None:
    finished(tmp_path, "confirm-a0-s0", bench__map_mean=0.5)
    assert best_confirmed(tmp_path / "trials") is None
    with pytest.raises(InputError, match="dev/map_mean; choose one with --trial: confirm-a0-s0"):
        choose_trial(tmp_path, None)


def test_a_trial_without_encoder_is_refused_with_the_alternatives(
    tmp_path: Path,
) -> None:
    finished(tmp_path, "confirm-a0-s0", dev__map_mean=0.5)
    bare = finished(tmp_path, "search-000", encoder=False, dev__map_mean=0.5)
    with pytest.raises(InputError) as refused:
        choose_trial(tmp_path, "search-000")
    assert "has no encoder (trials with one: confirm-a0-s0)" in str(refused.value)
    assert f"hybridir train {bare}/config.json FOLDER" in str(refused.value)
    with pytest.raises(InputError, match="has no encoder; "):
        choose_trial(bare, None)
    finished(tmp_path, "confirm-a0.5-s0", dev__map_mean=0.4)
    listed = "no such trial; trials with an encoder: confirm-a0.5-s0, confirm-a0-s0$"
    with pytest.raises(InputError, match=listed):
        choose_trial(tmp_path, "confirm-a0.5-s9")


def test_a_run_without_encoders_and_any_other_folder_are_refused(
    tmp_path: Path,
) -> None:
    finished(tmp_path / "run", "search-000", encoder=False)
    with pytest.raises(InputError, match=r"no trial of .* has an encoder"):
        choose_trial(tmp_path / "run", None)
    with pytest.raises(InputError, match=r"--trial search-9: no such trial, and none of .* has"):
        choose_trial(tmp_path / "run", "search-9")
    with pytest.raises(InputError, match="neither a run of a study"):
        choose_trial(tmp_path, None)
    with pytest.raises(InputError, match="is no run of a study"):
        choose_trial(tmp_path, "search-000")


def test_the_trials_of_a_crossed_confirmation_compete(tmp_path: Path) -> None:
    best = finished(tmp_path, "confirm-a0.5-temperature0.02-pairs64-s0", dev__map_mean=0.6)
    finished(tmp_path, "confirm-a0.5-temperature0.05-pairs64-s0", dev__map_mean=0.5)
    assert best_confirmed(tmp_path / "trials") == best


@pytest.mark.parametrize(
    ("study", "reason"),
    [
        ("search: {trials: 2}", "its file has no confirm, and trials of a search keep none"),
        ("confirm: {}\ntune_on: null", "without development data (tune_on: null)"),
        ("confirm: {}", "no confirmed trial of the first seed has ended yet"),
    ],
)
def test_a_run_without_encoders_says_why_and_names_its_best_trial(
    tmp_path: Path, study: str, reason: str
) -> None:
    (tmp_path / "study.yaml").write_text(study)
    finished(tmp_path, "search-000", encoder=False, dev__map_mean=0.4, fidelity=1.0)
    best = finished(tmp_path, "search-001", encoder=False, dev__map_mean=0.5, fidelity=1.0)
    finished(tmp_path, "search-002", encoder=False, dev__map_mean=0.9, fidelity=0.5)
    with pytest.raises(InputError) as refused:
        choose_trial(tmp_path, None)
    assert f"has an encoder; {reason}" in str(refused.value)
    assert "search-001 is the best (dev/map_mean 0.5000)" in str(refused.value)
    assert f"hybridir train {best}/config.json FOLDER" in str(refused.value)


def test_a_run_that_has_confirmed_nothing_yet_names_the_command_that_goes_on_with_it(
    tmp_path: Path,
) -> None:
    run = tmp_path / "mine" / "run-001"
    finished(run, "search-000", encoder=False, dev__map_mean=0.5)
    (run / names.ARTIFACT_STUDY).write_text("name: mine\nconfirm: {mixing_ratio: [0.5]}\n")
    with pytest.raises(InputError) as refused:
        choose_trial(run, None)
    assert f"`{script('tune/run_sweep.py', '--resume', str(run))}` goes on" in str(refused.value)
