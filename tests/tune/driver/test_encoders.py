import json
from pathlib import Path

from hybridir import names
from tune.driver.encoders import best_of_confirmation, drop_beaten_encoders
from tune.folders import Outcome, RunFolder


def trained(run: RunFolder, name: str, dev: float | None, *, ended: bool = True) -> None:
    folder = run.trial(name).path
    (folder / "encoder").mkdir(parents=True)
    if ended:
        metrics = {} if dev is None else {"dev/map_mean": dev}
        (folder / "result.json").write_text(json.dumps(metrics))
        run.trial(name).finalize(Outcome(names.COMPLETE, metrics))


def with_encoder(run: RunFolder) -> list[str]:
    return [trial.name for trial in run.trials() if (trial.path / "encoder").is_dir()]


def test_the_encoder_that_remains_is_the_best_whatever_the_order_of_the_ends(
    tmp_path: Path,
) -> None:
    scores = {"0.02-pairs64": 0.4, "0.02-pairs128": 0.6, "0.05-pairs64": 0.5}
    for folder, order in (("a", list(scores)), ("b", list(reversed(scores)))):
        run = RunFolder(tmp_path / folder)
        trained(run, "confirm-a1-s0", None, ended=False)
        for condition in order:
            trained(run, f"confirm-a0.5-temperature{condition}-s0", scores[condition])
            drop_beaten_encoders(run)
        best = best_of_confirmation(run)
        assert best is not None
        assert best.name == "confirm-a0.5-temperature0.02-pairs128-s0"
        # The running trial keeps its own.
        assert with_encoder(run) == [best.name, "confirm-a1-s0"]


def test_without_development_data_no_encoder_remains(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    trained(run, "confirm-a0-s0", None)
    drop_beaten_encoders(run)
    assert with_encoder(run) == []


def test_a_damaged_result_of_a_trial_does_not_change_the_choice(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    trained(run, "confirm-a0-s0", 0.5)
    trained(run, "confirm-a1-s0", 0.4)
    for trial in run.trials():
        (trial.path / "result.json").write_text("")
    drop_beaten_encoders(run)
    assert with_encoder(run) == ["confirm-a0-s0"]


def test_a_trial_whose_end_is_not_recorded_yet_keeps_its_encoder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    trained(run, "confirm-a0-s0", 0.5)
    trained(run, "confirm-a1-s0", 0.4)
    (run.trial("confirm-a1-s0").path / "outcome.json").unlink()
    drop_beaten_encoders(run)
    assert with_encoder(run) == ["confirm-a0-s0", "confirm-a1-s0"]
