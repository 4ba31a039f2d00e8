"""What is installed is what was tested: versions, hashes, upper bounds, pinned names."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PINS = dict(
    line.split("==")
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
)
# Another major of these may decide digits: how texts are cut, numbers drawn, sums ordered.
DIGITS = {
    *("accelerate", "bm25s", "datasets", "numba", "numpy", "optuna", "pandas", "safetensors"),
    *("scikit-learn", "scipy", "statsmodels", "tokenizers", "torch", "transformers"),
}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(lock: Path) -> list[str]:
    text = "".join(line for line in lock.open() if not line.startswith("#"))
    return re.split(r"\n(?=\S)", text.strip())


def test_every_group_that_make_installs_has_a_file_of_hashes() -> None:
    stamps = re.findall(r"\$\(STAMP\)-(\w+)", (ROOT / "Makefile").read_text())
    named = {lock.stem for lock in LOCKS}
    assert {*stamps} - {"python"} <= named
    assert {"library", "cuda"} <= named


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_has_hashes_and_the_version_that_was_tested(lock: Path) -> None:
    for block in blocks(lock):
        requirement, *hashes = block.replace(" \\", "").splitlines()
        name, _, version = requirement.partition(" ;")[0].partition("==")
        assert hashes, requirement
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes)
        if not re.match("nvidia-|cuda-|triton$|pip$", name):
            assert PINS[name] == version


def test_cuda_s_libraries_stay_out_of_what_the_cpu_build_needs() -> None:
    for lock in LOCKS:
        text = lock.read_text()
        assert ("\nnvidia-" in text, "\ntorch==" in text) == (lock.stem == "cuda",) * 2


@pytest.mark.slow
def test_pip_refuses_a_file_that_is_not_the_tested_one(tmp_path: Path) -> None:
    """A wheel of the right name and version, made here, so with another content."""
    project = tmp_path / "six"
    project.mkdir()
    (project / "six.py").write_text("print('not six')\n")
    version = PINS["six"]
    settings = f'[project]\nname = "six"\nversion = "{version}"\n'
    build = '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n'
    (project / "pyproject.toml").write_text(settings + build)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (block,) = [block for block in blocks(ROOT / "locks" / "study.txt") if block[:5] == "six=="]
    (tmp_path / "lock.txt").write_text(block)
    pip = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--require-hashes"]
    pip += ["--find-links", str(tmp_path), "--target", str(tmp_path / "to"), "-r", "lock.txt"]
    refused = subprocess.run(pip, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / "to" / "six.py").exists()


def test_a_major_that_may_decide_digits_is_bounded() -> None:
    groups = [PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"].values()]
    groups += PROJECT["project"]["optional-dependencies"].values()
    for entry in (entry for group in groups for entry in group if isinstance(entry, str)):
        name, _, bounds = re.match(r"([\w-]+)(\[.*\])?(.*)", entry).groups()  # type: ignore[union-attr]
        if name in DIGITS:
            assert bounds.startswith("==") or re.search(r",<\d+$", bounds), entry


def test_images_and_actions_are_pinned_beside_their_tag_and_again_later() -> None:
    pin = load("pin")
    digests = iter(["sha256:" + "a" * 64, "sha256:" + "b" * 64])
    dockerfile = "FROM python:3.12.12-slim-bookworm\nRUN pip\n"
    first = pin.pinned(dockerfile, pin._IMAGE, lambda name, tag: next(digests))
    assert first == f"FROM python:3.12.12-slim-bookworm@sha256:{'a' * 64}\nRUN pip\n"
    assert "b" * 64 in pin.pinned(first, pin._IMAGE, lambda name, tag: next(digests))

    workflow = "- uses: actions/checkout@v4\n- uses: ./.github/workflows/tests.yml\n"
    once = pin.pinned(workflow, pin._ACTION, lambda name, tag: f"{len(name + tag):040d}")
    assert once.splitlines()[0] == f"- uses: actions/checkout@{18:040d} # v4"
    assert pin.pinned(once, pin._ACTION, lambda name, tag: f"{len(name + tag):040d}") == once

    def unknown(name: str, tag: str) -> str:
        raise LookupError(f"no {name}")

    assert pin.pinned(workflow, pin._ACTION, unknown) == workflow
    assert pin.unknown == ["actions/checkout"]


def test_the_release_stops_at_known_vulnerabilities_and_publishes_licences_and_contents() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert workflow.index("make supply") < workflow.index("gh release create")
    for tool in ("pip_audit", "cyclonedx_py requirements", "piplicenses"):
        assert f"-m {tool}" in makefile
    assert shutil.which("make") is None or "make supply" in subprocess.check_output(
        ["make", "help"], cwd=ROOT, text=True
    )
