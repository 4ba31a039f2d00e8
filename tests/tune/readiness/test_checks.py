from pathlib import Path
from typing import Any

import pytest

from tune.readiness.checks import (
    Check,
    Needs,
    judge_clock,
    judge_copy,
    judge_preparation,
    judge_room,
    summary,
)
from tune.readiness.node_probe import PROBE_FOLDER, content_digest, look
from tune.readiness.nodes import Node

NODE = Node("b", "worker", "10.0.0.2", cpu=4, gpu=0)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Storage of the driver, with its probe file and some data."""
    folder = tmp_path / "storage"
    (folder / PROBE_FOLDER.format(token="abc")).mkdir(parents=True)
    (folder / PROBE_FOLDER.format(token="abc") / "driver").write_text("abc")
    (folder / "data").mkdir()
    (folder / "data" / "en.json").write_text("questions")
    return folder


def found_on(storage: Path, name: str) -> dict[str, Any]:
    paths = [str(storage / "data")]
    found = look(name, "abc", str(storage), str(storage), paths, None)
    return found | {"storage_path": str(storage)}


def problems(checks: Any) -> dict[str, str]:
    return {check.what: check.problem for check in checks if check.problem}


def test_two_looks_at_the_same_machine_agree(storage: Path) -> None:
    here, there = found_on(storage, "driver"), found_on(storage, "b")
    assert problems(judge_copy(NODE, there, here)) == {}
    assert (storage / PROBE_FOLDER.format(token="abc") / "b").read_text() == "abc"


def test_pain_15_a_folder_of_the_same_name_that_is_not_shared_is_found_out(
    storage: Path, tmp_path: Path
) -> None:
    here = found_on(storage, "driver")
    own = tmp_path / "own"
    own.mkdir()
    there = look("b", "abc", str(own), str(own), [], None) | {"digests": here["digests"]}
    found = problems(judge_copy(NODE, there, here))
    assert found.keys() == {"storage"}
    assert "another one than the driver's" in found["storage"]
    assert "shared" in found["storage"]


def test_storage_that_is_not_there_at_all_is_named(storage: Path, tmp_path: Path) -> None:
    here = found_on(storage, "driver")
    absent = str(tmp_path / "absent")
    there = look("b", "abc", absent, absent, [], None) | {"digests": here["digests"]}
    assert "no such folder here" in problems(judge_copy(NODE, there, here))["storage"]


def test_other_data_other_code_and_other_versions_are_told_apart(storage: Path) -> None:
    here = found_on(storage, "driver")
    path = str(storage / "data")
    there = here | {
        "digests": {path: ("0000", "")},
        "code": {"hybridir": ("0000", ""), "tune": ("", "no package tune on /opt")},
        "versions": here["versions"] | {"torch": "1.0"},
    }
    found = problems(judge_copy(NODE, there, here))
    assert found["data"].startswith(f"{path}: other content than on the driver")
    assert "hybridir: other files" in found["code"]
    assert "tune: no package tune on /opt" in found["code"]
    assert f"torch 1.0 instead of {here['versions']['torch']}" in found["code"]
    assert "requirements.lock" in found["code"]


def test_a_relative_path_means_another_file_on_another_machine(storage: Path) -> None:
    here = found_on(storage, "driver") | {"digests": {"data/en.json": ("0000", "")}}
    there = here | {"digests": {"data/en.json": ("", "not there")}}
    assert "absolute paths" in problems(judge_copy(NODE, there, here))["data"]


def test_a_digest_follows_names_and_contents_also_of_large_files(tmp_path: Path) -> None:
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


def test_pain_15_disk_and_memory_are_held_against_what_the_study_takes(storage: Path) -> None:
    found = found_on(storage, "b") | {
        "free_mb": {"/storage": 500.0, "/cache": 10.0, "/tmp": 5.0},
        "memory_mb": 4000.0,
    }
    fits = Needs(disk_mb=400.0, cache_mb=5.0, process_mb=900.0, origin="measured on a")
    # 4 x 900 MB are less than 95 % of 4000 MB
    assert problems(judge_room(NODE, found, "/storage", "/cache", fits, processes=4)) == {}
    large = Needs(disk_mb=600.0, cache_mb=20.0, process_mb=1000.0, origin="measured on a")
    short = problems(judge_room(NODE, found, "/storage", "/cache", large, processes=4))
    assert "/storage has 500 MB free, the study takes 600 MB" in short["disk"]
    assert "/cache has 10 MB free, prepared data takes 20 MB" in short["disk"]
    assert "take 4,000 MB together (1,000 MB each, measured on a), but 3,800 MB" in short["memory"]


def test_a_clock_that_is_minutes_off_is_worth_a_warning_and_no_more() -> None:
    early = judge_clock(NODE, {"clock": 900.0}, before=1000.0, after=1010.0)
    assert early.is_warning
    assert "100 s" in early.problem
    between = judge_clock(NODE, {"clock": 1005.0}, before=1000.0, after=1010.0)
    assert between.problem == ""


def test_a_gpu_that_was_asked_for_and_cannot_be_used_is_a_problem() -> None:
    found = {"data": ("digest", ""), "gpu": "torch is built for CPUs"}
    assert problems(judge_preparation(NODE, found, "digest", needs_gpu=True)) == {
        "GPU": "torch is built for CPUs"
    }
    assert problems(judge_preparation(NODE, found, "other", needs_gpu=False)).keys() == {"data"}


def test_the_summary_counts_nodes_and_names_what_was_looked_at() -> None:
    checks = [Check("a", "disk"), Check("b", "disk"), Check("a", "tracking")]
    assert summary(checks, 2) == "preflight: 2 nodes; tracking, disk: fine"
