from pathlib import Path

from hybridir.runtime.commands import script, tool
from tune.folders import RunFolder, new_run
from tune.view.watching import unfinished_note, watch_lines

VIEW = "/#/experiments/1/runs?viewStateShareKey=0a1b"


def test_a_database_has_a_command_that_opens_it_and_an_address_of_its_charts() -> None:
    folder = RunFolder(Path("results/demo/run-002"))
    assert watch_lines(folder, "sqlite:////home/mlflow.db", VIEW, search=True) == [
        "tracking: sqlite:////home/mlflow.db",
        f"          {tool('mlflow')} ui --host 127.0.0.1 --backend-store-uri "
        "sqlite:////home/mlflow.db",
        f"charts:   http://127.0.0.1:5000{VIEW}",
        f"search:   {tool('optuna-dashboard', package='optuna-dashboard')} "
        "results/demo/run-002/optuna.journal",
        f"status:   {script('tune/run_sweep.py')} --status demo@run-002",
    ]


def test_a_server_has_its_own_address_and_another_storage_is_named() -> None:
    folder = RunFolder(Path("/shared/demo/run-001"))
    assert watch_lines(folder, "http://head:5000/", VIEW, search=False) == [
        "tracking: http://head:5000/",
        f"charts:   http://head:5000{VIEW}",
        f"status:   {script('tune/run_sweep.py')} --status demo@run-001 --storage /shared",
    ]
    assert "charts" not in "".join(watch_lines(folder, "http://head:5000", "", search=False))


def test_an_earlier_run_is_running_unfinished_or_not_worth_a_word(tmp_path: Path) -> None:
    run = new_run(tmp_path, "demo")
    command = script("tune/run_sweep.py", "--resume", "demo@run-001", "--storage", str(tmp_path))
    expected = f"note: {run.path} is unfinished; it is continued with: {command}"
    assert unfinished_note(run) == expected
    with run.lock():
        assert unfinished_note(run) == f"note: {run.path} is running as well, by another process"
    assert unfinished_note(run) == expected
    run.finish()
    assert unfinished_note(run) == ""
