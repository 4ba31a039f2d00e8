"""Ray of a study on one machine, started for real: who reaches it, and what it leaves."""

import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.support.tiny import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray")]

DRIVER = """
import os, sys
import ray
from tune.readiness.cluster import running_ray

@ray.remote
def address():
    return ray.util.get_node_ip_address()

with running_ray():
    ray.get([address.remote() for _ in range(2)])
    print(ray.get_runtime_context().gcs_address, ray.get(address.remote()),
          os.environ["RAY_AUTH_TOKEN"], flush=True)
    sys.stdin.readline()
"""
# Asks the head for its nodes and every port for what a raylet answers.
STRANGER = """
import sys
import grpc
from ray._raylet import GcsClient
gcs, *ports = sys.argv[1:]
try:
    print("nodes", len(GcsClient(address=gcs).get_all_node_info(timeout=30)))
except Exception as error:
    print(type(error).__name__)
for port in ports:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    ask = channel.unary_unary("/ray.rpc.NodeManagerService/GetNodeStats")
    try:
        ask(b"", timeout=30)
        print("answered")
    except grpc.RpcError as error:
        print(error.code().name)
"""


@dataclass
class Driver:
    process: "subprocess.Popen[str]"
    parent: Path
    gcs: str
    worker: str
    token: str

    def family(self) -> list[psutil.Process]:
        return [
            psutil.Process(self.process.pid),
            *psutil.Process(self.process.pid).children(recursive=True),
        ]

    def folders(self) -> list[Path]:
        return list(self.parent.glob("hybridir-ray-*"))


def start(parent: Path) -> Driver:
    # What a user's shell may hold that opens Ray to others.
    opened = {"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(parent)}
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        cwd=ROOT,
        env=environment | opened,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return Driver(process, parent, *process.stdout.readline().split())


@pytest.fixture(scope="module")
def parent() -> Iterator[Path]:
    """A short folder, since a socket's path has 107 letters at most."""
    name = subprocess.check_output(["mktemp", "-d", "/tmp/rayXXX"], text=True).strip()
    yield Path(name)
    Path(name).rmdir()


@pytest.fixture(scope="module")
def driver(parent: Path) -> Iterator[Driver]:
    driver = start(parent)
    yield driver
    if driver.process.poll() is None:
        driver.process.communicate("\n")


def ask(driver: Driver, home: Path, **variables: str) -> list[str]:
    raylet = [
        str(connection.laddr.port)
        for process in driver.family()
        if process.name() == "raylet"
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert raylet
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    answer = subprocess.check_output(
        [sys.executable, "-c", STRANGER, driver.gcs, *raylet],
        env=inherited | {"HOME": str(home)} | variables,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return answer.splitlines()


@pytest.mark.slow
def test_all_ports_of_a_local_study_are_on_the_loopback(driver: Driver) -> None:
    ports = [
        connection.laddr.ip
        for process in driver.family()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN or not connection.raddr
    ]
    assert len(ports) >= 8, "of GCS, raylet, agents, driver and workers"
    outside = [ip for ip in ports if not _is_loopback(ip)]
    assert outside == []
    assert driver.worker == "127.0.0.1", "with which processes of one trial connect"


def _is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64},
    ],
    ids=["default", "disabled", "another token"],
)
def test_a_stranger_without_the_token_is_refused(
    driver: Driver, tmp_path: Path, variables: dict[str, str]
) -> None:
    gcs, *raylet = ask(driver, tmp_path, **variables)
    assert gcs == "AuthenticationError"
    assert "UNAUTHENTICATED" in raylet
    assert "answered" not in raylet


@pytest.mark.slow
def test_the_token_opens_it_and_no_command_line_shows_it(driver: Driver, tmp_path: Path) -> None:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": driver.token}
    assert ask(driver, tmp_path, **token)[0] == "nodes 1"
    assert not any(driver.token in " ".join(p.cmdline()) for p in driver.family())
    (folder,) = driver.folders()
    assert folder.stat().st_mode & 0o077 == 0, "for this user alone"


@pytest.mark.long
def test_ray_s_folder_goes_with_the_study_and_after_a_kill_with_the_next(
    driver: Driver, parent: Path
) -> None:
    family = driver.family()
    for process in family:
        process.kill()
    driver.process.wait()
    (left,) = driver.folders()
    following = start(parent)
    (folder,) = following.folders()
    assert folder != left
    following.process.communicate("\n")
    assert following.folders() == []
