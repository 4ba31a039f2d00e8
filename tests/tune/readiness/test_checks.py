from pathlib import Path
from typing import Any

import pytest

from tune.readiness.checks import (
    Check,
    Needs,
    check_clock,
    check_copy,
    check_preparation,
    check_room,
    check_token,
    summary_line,
)
from tune.readiness.node_probe import PROBE_FOLDER, content_digest, inspect_node
from tune.readiness.nodes import Node

NODE = Node("b", "worker", "10.0.0.2", cpu=4, gpu=0)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Storage of the driver with its probe file and some data."""
    folder = tmp_path / "storage"
    (folder / PROBE_FOLDER.format(token="abc")).mkdir(parents=True)
    (folder / PROBE_FOLDER.format(token="abc") / "driver").write_text("abc")
    (folder / "data").mkdir()
    (folder / "data" / "en.json").write_text("questions")
    return folder


def state_of(storage: Path, name: str) -> dict[str, Any]:
    paths = [str(storage / "data")]
    state = inspect_node(name, "abc", str(storage), str(storage), paths, None)
    return state | {"storage_path": str(storage)}


def room(mount: str, device: int, mb: float, files: float = 1e6) -> dict[str, Any]:
    return {"path": mount, "mount": f"/{mount[1:].partition('/')[0]}"} | {
        "device": device,
        "mb": mb,
        "files": files,
    }


def problems(checks: Any) -> dict[str, str]:
    return {check.subject: check.problem for check in checks if check.problem}


def test_two_inspections_of_the_same_machine_agree(storage: Path) -> None:
    driver, node = state_of(storage, "driver"), state_of(storage, "b")
    assert problems(check_copy(NODE, node, driver)) == {}
    assert (storage / PROBE_FOLDER.format(token="abc") / "b").read_text() == "abc"


def test_pain_15_a_folder_of_the_same_name_that_is_not_shared_is_detected(
    storage: Path, tmp_path: Path
) -> None:
    driver = state_of(storage, "driver")
    local = tmp_path / "local"
    local.mkdir()
    node = inspect_node("b", "abc", str(local), str(local), [], None)
    named = problems(check_copy(NODE, node | {"digests": driver["digests"]}, driver))
    assert named.keys() == {"storage"}
    assert "is not the driver's folder" in named["storage"]
    assert "shared" in named["storage"]


def test_absent_storage_is_named(storage: Path, tmp_path: Path) -> None:
    driver = state_of(storage, "driver")
    absent = str(tmp_path / "absent")
    node = inspect_node("b", "abc", absent, absent, [], None) | {"digests": driver["digests"]}
    assert "the folder does not exist" in problems(check_copy(NODE, node, driver))["storage"]


def test_differing_data_code_and_versions_are_distinguished(storage: Path) -> None:
    driver = state_of(storage, "driver")
    path = str(storage / "data")
    node = driver | {
        "digests": {path: ("0000", "")},
        "code": {"hybridir": ("0000", ""), "tune": ("", "no package tune on /opt")},
        "versions": driver["versions"] | {"torch": "1.0"},
    }
    named = problems(check_copy(NODE, node, driver))
    assert named["data"].startswith(f"{path}: other content than on the driver")
    assert "hybridir: other files" in named["code"]
    assert "tune: no package tune on /opt" in named["code"]
    assert f"torch 1.0 instead of {driver['versions']['torch']}" in named["code"]
    assert "requirements.lock" in named["code"]


def test_a_relative_path_means_another_file_on_another_machine(storage: Path) -> None:
    driver = state_of(storage, "driver") | {"digests": {"data/en.json": ("0000", "")}}
    node = driver | {"digests": {"data/en.json": ("", "does not exist")}}
    assert "absolute paths" in problems(check_copy(NODE, node, driver))["data"]


def test_a_digest_depends_on_names_and_contents_also_of_large_files(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    large = folder / "model.safetensors"
    with large.open("wb") as file:
        file.truncate(65 * 2**20)  # a hole: no disk is used
    first = content_digest(folder)
    assert content_digest(folder) == first
    with large.open("r+b") as file:
        file.seek(large.stat().st_size // 2)
        file.write(b"other")
    second = content_digest(folder)
    (folder / "config.json").write_text("{}")
    assert len({first, second, content_digest(folder)}) == 3


def test_pain_15_disk_and_memory_are_compared_with_the_needs_of_the_study(storage: Path) -> None:
    state = state_of(storage, "b") | {
        "room": {
            "storage": room("/storage/results", device=1, mb=500.0),
            "tracking": room("/storage", device=1, mb=500.0),
            "cache": room("/cache", device=2, mb=10.0),
            "temporary": room("/tmp", device=3, mb=5.0),
        },
        "memory_mb": 4000.0,
    }
    fits = Needs(400.0, 5.0, 900.0, "measured on a", tracking_mb=105.0, temporary_mb=5.0)
    # 4 x 900 MB are less than 95 % of 4000 MB; 395 + 105 MB fill the first disk.
    assert problems(check_room(NODE, state, fits, processes=4)) == {}
    large = Needs(400.0, 20.0, 1000.0, "measured on a", tracking_mb=130.0)
    short = problems(check_room(NODE, state, large, processes=4))
    assert (
        "/storage has 500 MB free, and 510 MB are needed (the study 380 MB in /storage/results, "
        "its tracking database and artifacts 130 MB in /storage)"
    ) in short["disk"]
    assert "let storage or tracking_uri (sqlite:////FOLDER/mlflow.db) name" in short["disk"]
    assert "/cache has 10 MB free, and 20 MB are needed" in short["disk"]
    assert "/tmp" not in short["disk"]
    assert "take 4,000 MB together (1,000 MB each, measured on a), but 3,800 MB" in short["memory"]


def test_a_disk_without_room_for_files_is_named(storage: Path) -> None:
    state = state_of(storage, "b") | {"room": {"storage": room("/s", 1, mb=1e6, files=3)}}
    short = problems(check_room(NODE, state, Needs(1.0, 0.0, 1.0, "measured on a"), 1))
    assert "/s has room for 3 more files (df -i)" in short["disk"]


def test_a_study_that_goes_on_cannot_be_told_to_use_another_disk(storage: Path) -> None:
    small = {"storage": room("/s", 1, mb=5.0), "cache": room("/s/cache", 1, mb=5.0)}
    needs = Needs(400.0, 20.0, 1.0, "measured on a").after(done=0.5, written_mb=100.0)
    short = problems(check_room(NODE, state_of(storage, "b") | {"room": small}, needs, 1))
    assert short["disk"].endswith("; free some, or let HYBRIDIR_CACHE name another disk")
    del small["cache"]
    short = problems(check_room(NODE, state_of(storage, "b") | {"room": small}, needs, 1))
    assert short["disk"].endswith("; free some")


def test_what_an_interrupted_study_has_written_is_not_needed_again() -> None:
    needs = Needs(1000.0, 50.0, 1.0, "measured on a", tracking_mb=200.0, temporary_mb=5.0)
    rest = needs.after(done=0.75, written_mb=700.0)
    assert (rest.disk_mb, rest.tracking_mb, rest.temporary_mb) == (300.0, 50.0, 5.0)
    assert needs.after(1.0, 2000.0).disk_mb == 50.0, "the prepared data"


def test_a_clock_that_is_minutes_off_is_a_warning_alone() -> None:
    early = check_clock(NODE, {"clock": 900.0}, before=1000.0, after=1010.0)
    assert early.is_warning
    assert "100 s" in early.problem
    between = check_clock(NODE, {"clock": 1005.0}, before=1000.0, after=1010.0)
    assert between.problem == ""


def test_a_requested_gpu_that_cannot_be_used_is_a_problem() -> None:
    state = {"data": ("digest", ""), "gpu": "torch is built for CPUs"}
    assert problems(check_preparation(NODE, state, "digest", needs_gpu=True)) == {
        "GPU": "torch is built for CPUs"
    }
    assert problems(check_preparation(NODE, state, "other", needs_gpu=False)).keys() == {"data"}


def test_the_summary_counts_nodes_and_names_the_subjects_of_the_checks() -> None:
    checks = [Check("a", "disk"), Check("b", "disk"), Check("a", "tracking")]
    assert summary_line(checks, 2) == "preflight: 2 nodes; tracking, disk: fine"
    checks.append(check_token(NODE, asks=False))
    assert checks[-1].is_warning
    assert "RAY_AUTH_MODE=token" in checks[-1].problem
    assert summary_line(checks, 2) == "preflight: 2 nodes; tracking, disk: fine"
