import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hybridir.errors import InputError
from tests.support.tiny import ROOT
from tune.readiness.cluster import check_resources, cpu_count, ray_environment, running_ray
from tune.study.file import DEMO, read_study_file


def test_an_address_where_nothing_listens_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can take it
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        refused = f"RAY_ADDRESS={address}: no Ray cluster answers"
        with pytest.raises(InputError, match=refused), running_ray():
            pass


def test_more_cores_than_the_machine_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    greedy = read_study_file(DEMO, [f"resources.cpu={cpu_count() + 1}"])
    with pytest.raises(InputError, match=f"cpu={cpu_count() + 1}"):
        check_resources(greedy)


def test_a_trial_of_several_processes_needs_the_cores_of_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    count = cpu_count()
    greedy = read_study_file(DEMO, [f"resources.cpu={count}", "resources.processes=2"])
    with pytest.raises(InputError, match=f"cpu={count} for each of 2 processes"):
        check_resources(greedy)


def test_several_nodes_need_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match=r"nodes=3: .* set RAY_ADDRESS to the head"):
        check_resources(read_study_file(DEMO, ["resources.nodes=3"]))


def test_a_python_in_a_folder_with_a_blank_starts_by_the_shell_that_ray_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ray._private.runtime_env.context` joins its command: ``exec``, the path, arguments."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    python = tmp_path / "my checkout" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    assert "py_executable" not in ray_environment()
    monkeypatch.setattr(sys, "executable", str(python))
    command = f"exec {ray_environment()['py_executable']} -c 'print(2)'"
    assert subprocess.check_output(["bash", "-c", command], text=True) == "2\n"


# The node is not seen for 40 s from Ray's start, as on a machine with much other work.
LATE = """
import time
from ray._private import services

look_up, began = services.get_node, time.monotonic()

def late(address, node_id):
    if time.monotonic() < began + 40:
        raise RuntimeError("not there yet")
    return look_up(address, node_id)

services.get_node = late
import ray
from tune.readiness.cluster import running_ray
with running_ray():
    print(sum(node["Alive"] for node in ray.nodes()), services.get_node is late)
"""


@pytest.mark.long
def test_a_start_that_takes_longer_than_ray_itself_waits_is_awaited(tmp_path: Path) -> None:
    environment = {name: v for name, v in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-c", LATE]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 True\n"
