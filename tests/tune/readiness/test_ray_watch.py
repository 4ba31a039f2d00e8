"""A Ray of one machine whose processes are killed, for real, while the main thread waits in it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.support.tiny import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray")]

DRIVER = """
import sys, time
import ray
from tune.readiness.cluster import running_ray
from tune.view.terminal import end_output

@ray.remote
def work(waits):
    time.sleep(1000 if waits else 0)

def lost(reason):
    print(reason)
    end_output()
    return True

with running_ray(lost):
    ray.get(work.remote(False))
    print("ready", flush=True)
    task = work.remote(True)
    sys.stdin.readline()
    if len(sys.argv) > 1:
        ray.get(task)
print("ended")
"""


@pytest.fixture
def parent() -> Iterator[Path]:
    """A short folder, since a socket's path has 107 letters at most."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        yield Path(folder)


def start(parent: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        cwd=ROOT,
        env=environment | {"RAY_TMPDIR": str(parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process


def until_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def said(output: str) -> list[str]:
    """The lines of an output, without those of Ray's compiled code about a task that ends."""
    noise = re.compile(r"\[[-0-9]+ [:,0-9]+ E ")
    return [line for line in output.splitlines() if not noise.match(line)]


@pytest.mark.parametrize(
    ("name", "number"),
    [("raylet", signal.SIGKILL), ("raylet", signal.SIGTERM), ("gcs_server", signal.SIGKILL)],
)
def test_what_is_left_ends_with_it(name: str, number: int, parent: Path) -> None:
    process = start(parent, "wait")
    until_ready(process)
    family = psutil.Process(process.pid).children(recursive=True)
    names = {member.name() for member in family}
    assert names & {"ray::work", "ray::IDLE"}, "its workers"
    (needed,) = [member for member in family if member.name() == name]
    needed.send_signal(number)
    output, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 130
    (line,) = said(output)
    assert line.startswith(f"Ray's process {name} ")
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == []
    assert list(parent.iterdir()) == []


def kill_first(name: str, driver: psutil.Process) -> None:
    """Kill a process as soon as it is there."""
    while not (needed := [child for child in driver.children() if child.name() == name]):
        time.sleep(0.005)
    needed[0].kill()


def test_it_is_watched_while_it_starts(parent: Path) -> None:
    process = start(parent)
    driver = psutil.Process(process.pid)
    kill_first("raylet", driver)
    family = driver.children(recursive=True)
    output, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 130
    (line,) = output.splitlines()
    expected = r"Ray's process raylet ended while Ray started \(load \d+\); start again"
    assert re.fullmatch(expected, line)
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == []
    assert list(parent.iterdir()) == []


def test_a_start_whose_head_is_killed_is_tried_again_after_rays_own_30_seconds(
    parent: Path,
) -> None:
    process = start(parent)
    kill_first("gcs_server", psutil.Process(process.pid))
    output, _ = process.communicate("\n", timeout=120)
    assert process.returncode == 0
    assert said(output) == ["ready", "ended"]


def test_ray_is_ended_on_purpose_without_a_word(parent: Path) -> None:
    process = start(parent)
    until_ready(process)
    output, _ = process.communicate("\n")
    assert (process.returncode, said(output)) == (0, ["ended"])
