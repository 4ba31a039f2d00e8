import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import ViewType

from tests.support.databases import empty_database
from tests.support.disks import small_disk, write_protected
from tests.support.tiny import ROOT
from tune.readiness.tracking_probe import driver_problem, is_server, store_problem
from tune.searching.searcher import open_study

HAS_EXTRA = find_spec("flask_wtf") is not None  # of mlflow[auth]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a real MLflow server that accepts the usual names of its host alone."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    empty_database(folder)
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.long
def test_several_nodes_may_call_a_new_server_at_once(port: int) -> None:
    with ThreadPoolExecutor(6) as nodes:
        answers = nodes.map(store_problem, [f"http://127.0.0.1:{port}"] * 6)
        assert {answer.text for answer in answers} == {""}


@pytest.mark.long
def test_a_server_that_stores_and_returns_a_run_is_fine_and_keeps_nothing(port: int) -> None:
    uri = f"http://127.0.0.1:{port}"
    assert is_server(uri)
    assert driver_problem(uri).text == ""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("hybridir")
    assert experiment is not None
    assert client.search_runs([experiment.experiment_id]) == []
    deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert {run.data.metrics["preflight"] for run in deleted} == {1.0}


@pytest.mark.long
def test_pain_10_if_a_server_refuses_its_name_the_problem_says_which_one_to_allow(
    port: int,
) -> None:
    # 127.1 resolves to 127.0.0.1, but is not among the server's names.
    problem = store_problem(f"http://127.1:{port}").text
    assert "403, Invalid Host header" in problem
    assert f"--allowed-hosts 127.1:{port}" in problem


def test_a_port_without_a_server_is_named_with_the_possible_reason() -> None:
    problem = store_problem(f"http://127.0.0.1:{free_port()}")
    assert "refuses the connection" in problem.text
    assert problem.passes
    command = problem.text.rpartition(": ")[2]
    assert ("-m pip install 'mlflow[auth]' && " in command) == (not HAS_EXTRA)


@pytest.mark.long
@pytest.mark.skipif(not HAS_EXTRA, reason="needs mlflow[auth]")
def test_the_server_with_a_password_that_is_advised_starts_and_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # from which the command is named
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = store_problem(address).text.rpartition(": ")[2]
    assert "pip" not in command
    for word, value in {
        "=PASSWORD": "=twelve-letters",
        "=KEY": "=key",
        "ADDRESS": f"127.0.0.1 --port {port} --workers 1",
    }.items():
        command = command.replace(word, value)
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    server = subprocess.Popen(["bash", "-c", f"exec env {command}"])
    try:
        while (problem := store_problem(address)).passes:
            assert server.poll() is None
            time.sleep(0.5)
        assert "requires authentication (401)" in problem.text
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "twelve-letters")
        assert store_problem(address, artifacts=True).text == ""
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.mark.parametrize("address", ["databricks://planted", "postgresql://host/db?key=planted"])
def test_a_store_that_is_no_server_is_refused_without_its_secret(address: str) -> None:
    problem = driver_problem(address).text
    assert problem.startswith(
        f"{address.partition('planted')[0]}...: the driver writes to a server"
    )


def test_an_unknown_host_is_named() -> None:
    assert "tracking.invalid cannot be resolved" in store_problem("http://tracking.invalid").text


def test_pain_05_folders_are_refused_as_tracking() -> None:
    for uri in ("./mlruns", "file:///tmp/mlruns"):
        assert "sqlite:///mlflow.db" in driver_problem(uri).text


def test_the_address_of_another_database_is_refused_without_its_password() -> None:
    problem = driver_problem("postgresql://me:secret@host/mlflow")
    assert problem.text.startswith("postgresql://host/mlflow: the driver writes to a server")
    assert not problem.passes


def test_a_database_needs_a_writable_folder(tmp_path: Path) -> None:
    assert driver_problem(f"sqlite:///{tmp_path}/mlflow.db").text == ""
    assert not (tmp_path / "mlflow.db").exists()
    assert "does not exist" in driver_problem(f"sqlite:///{tmp_path}/absent/mlflow.db").text
    (tmp_path / "file").touch()
    assert "is not a folder" in driver_problem(f"sqlite:///{tmp_path}/file/mlflow.db").text


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database, but as long as the header of one" * 9)
    assert "cannot be written to" in driver_problem(f"sqlite:///{tmp_path}/mlflow.db").text


def test_another_programs_database_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE runs (id INTEGER)")
    database.close()
    before = path.read_bytes()
    assert "another program's tables" in driver_problem(f"sqlite:///{path}").text
    assert path.read_bytes() == before


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has made."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    assert store_problem(f"sqlite:///{path}", artifacts=True) == ("", False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlflow.db", "mlartifacts", "."])
def test_a_write_protected_database_or_folder_is_named_with_the_command_that_mends_it(
    database: Path, name: str
) -> None:
    uri = f"sqlite:///{database}"
    with write_protected((database.parent / name).resolve()) as command:
        text, passes = driver_problem(uri)
        assert f"{command} " in text
        assert not passes, "no resume may wait for it"
        subprocess.run(command.split(), check=True)
        assert driver_problem(uri) == ("", False)


@pytest.mark.slow
def test_artifacts_are_written_read_back_and_deleted(database: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    shutil.copy(database, tmp_path)
    client = MlflowClient(uri)
    (tmp_path / "in-the-way").touch()
    experiment = client.get_experiment_by_name("hybridir")
    assert experiment is not None
    assert driver_problem(uri).text == ""
    with sqlite3.connect(tmp_path / "mlflow.db") as tables:
        place = f"{tmp_path}/in-the-way/artifacts"
        tables.execute("UPDATE experiments SET artifact_location = ?", (place,))
    tables.close()
    text, passes = driver_problem(uri)
    assert text.startswith(f"artifacts, {tmp_path}/in-the-way/artifacts/")
    assert not passes
    assert [path for path in database.parent.rglob("*") if path.name == "preflight"] == []


def test_a_database_that_another_study_prepares_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune.record.store._LOCK_SECONDS", 0.1)
    path = tmp_path / "mlflow.db"
    with FileLock(tmp_path / ".mlflow.db.lock"):
        problem = store_problem(f"sqlite:///{path}")
    assert problem.text == (
        f"sqlite:///{path} is held by another study, which prepares it: start again when that "
        "one has begun its trials"
    )
    assert not problem.passes


@pytest.mark.slow
def test_a_database_on_a_full_disk_is_named(database: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1500k") as disk:
        shutil.copy(database, disk)
        with pytest.raises(OSError), (disk / "other").open("wb") as other:
            other.write(bytes(2**21))
        text, passes = driver_problem(f"sqlite:///{disk}/mlflow.db")
        assert f"has no room left: free some on {disk}" in text
        assert not passes


@pytest.mark.long
def test_pain_27_a_deleted_experiment_is_named_with_the_command_that_restores_it(
    tmp_path: Path,
) -> None:
    uri = f"sqlite:///{empty_database(tmp_path)}"
    assert store_problem(uri).text == ""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("hybridir")
    assert experiment is not None
    own = client.create_run(experiment.experiment_id, run_name="preflight").info.run_id
    client.set_terminated(own)
    client.delete_experiment(experiment.experiment_id)
    text, passes = driver_problem(uri)
    assert not passes
    # As a shell runs it on which no environment is active.
    bare = {**os.environ, "PATH": "/usr/bin:/bin"}
    subprocess.run(text.partition("restored: ")[2], shell=True, env=bare, check=True)
    assert driver_problem(uri).text == ""
    left = client.search_runs([experiment.experiment_id])
    assert [run.info.run_id for run in left] == [own], "runs of the check came back"


# Ten programs at one moment, several times. One starts them that has loaded all libraries, since
# that takes longer than their work.
MOMENTS = 3
PROGRAMS = """
import multiprocessing, pathlib, sys
from tune.readiness.tracking_probe import store_problem
from tune.searching.searcher import start_study

def program(folder, moment, answers):
    moment.wait()
    problem = store_problem(f"sqlite:///{folder}/mlflow.db").text
    study = start_study(folder / "optuna.journal", "small", ["dev_map"], {})
    answers.put((problem, study.study_name, list(study.user_attrs["objectives"])))

fork = multiprocessing.get_context("fork")
for number in range(int(sys.argv[2])):
    folder = pathlib.Path(sys.argv[1]) / str(number)
    folder.mkdir()
    moment, answers = fork.Barrier(10), fork.Queue()
    programs = [fork.Process(target=program, args=(folder, moment, answers)) for _ in range(10)]
    for each in programs:
        each.start()
    for _ in programs:
        print(*answers.get())
    for each in programs:
        each.join()
"""


@pytest.mark.long
def test_pain_26_programs_that_open_new_stores_at_one_moment_leave_them_whole(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", PROGRAMS, str(tmp_path), str(MOMENTS)]
    answers = subprocess.check_output(command, text=True).splitlines()
    assert answers == [" small ['dev_map']"] * 10 * MOMENTS
    for number in range(MOMENTS):
        client = MlflowClient(f"sqlite:///{tmp_path}/{number}/mlflow.db")
        assert len(client.search_experiments()) == 2  # MLflow's default and this project's
        study = open_study(tmp_path / str(number) / "optuna.journal", "small")
        assert study.user_attrs["objectives"] == ["dev_map"]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0584bdc529eb", "was written by an older MLflow; .*mlflow db upgrade sqlite:"),
        ("fedcba987654", "was written by a newer MLflow; install that version"),
    ],
)
def test_a_database_of_another_mlflow_is_refused_with_its_remedy(
    empty: Path, tmp_path: Path, version: str, message: str
) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(empty, path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [version])
        database.commit()
    problem = store_problem(f"sqlite:///{path}")
    assert re.search(message, problem.text)
    assert not problem.passes


@pytest.mark.slow
def test_a_database_file_that_is_empty_gets_its_tables_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    program = (
        "from tune.readiness.tracking_probe import driver_problem\n"
        f"assert not driver_problem('sqlite:///{tmp_path}/mlflow.db').text"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert list((tmp_path / "mlartifacts").rglob("artifacts")) != []
