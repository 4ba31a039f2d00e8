"""The wheel is the library, and whatever is imported is declared."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

import hybridir

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
OWN = {"hybridir", "tune", "analysis", "benchmarks", "tests", "deploy"}
# Installed for what other packages do with them; pyproject.toml says what.
UNNAMED = {"cmaes", "greenlet", "scikit-learn", "vl-convert-python"}


def normalised(requirement: str) -> str:
    name = re.split(r"[\[<>=!~ ;]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def group(name: str) -> set[str]:
    """Distributions of a dependency group, with those of the groups that it includes."""
    names: set[str] = set()
    for entry in GROUPS[name]:
        names |= group(entry["include-group"]) if isinstance(entry, dict) else {normalised(entry)}
    return names


LIBRARY = {normalised(entry) for entry in PROJECT["project"]["dependencies"]}
EXTRAS = {
    normalised(entry)
    for entries in PROJECT["project"]["optional-dependencies"].values()
    for entry in entries
}


# Reads what every installed distribution holds.
owners_of_modules = cache(packages_distributions)


def imported(folders: Iterable[str]) -> set[str]:
    """Distributions of all modules that the code of some folders imports."""
    modules = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    modules.add(node.module.split(".")[0])
    modules -= set(sys.stdlib_module_names) | OWN
    owners = owners_of_modules()
    # Where several distributions hold a module, as mlflow and mlflow-skinny do: the shortest name.
    return {normalised(min(owners.get(module, [module]), key=len)) for module in modules}


def test_the_library_declares_exactly_the_packages_that_it_imports() -> None:
    # torch for GPUs brings Triton along; on a CPU nothing imports it.
    assert imported(["hybridir"]) == LIBRARY | EXTRAS | {"triton"}


def test_studies_and_reports_import_packages_of_the_library_and_of_their_group() -> None:
    assert imported(["tune", "analysis"]) <= LIBRARY | group("study")
    assert imported(["deploy"]) <= LIBRARY | group("cluster")
    assert group("study") - imported(["tune", "analysis"]) <= UNNAMED | EXTRAS


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_tests_and_benchmarks_import_packages_of_their_group(folder: str) -> None:
    others = {"urllib3", "requests", "packaging", "botocore"}  # of mlflow, pytest and boto3
    assert imported([folder]) <= LIBRARY | group("bench") | others


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return ZipFile(path)


def test_the_wheel_holds_the_whole_library_and_nothing_else(wheel: ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hybridir").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources
    assert "hybridir/inference/crossed.py" in names


def test_the_wheel_has_the_version_of_the_code_and_a_page_without_dead_links(
    wheel: ZipFile,
) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    metadata = wheel.read(name).decode()
    assert f"\nVersion: {hybridir.__version__}\n" in metadata
    assert "run from a checkout" in metadata
    links = re.findall(r"\]\(([^)]*)\)", metadata)
    assert [link for link in links if not link.startswith("https://")] == []


def test_version_and_date_of_the_release_are_everywhere_the_same() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## \[(.+)\](?: - (\S+))?$", changelog, re.MULTILINE)
    unreleased = sections[0][0] == "Unreleased"
    version, date = sections[1 if unreleased else 0]
    # Code between two releases names the next one, so that no figure is taken for the last one's.
    assert unreleased == hybridir.__version__.endswith(".dev0")
    assert hybridir.__version__ == version or (unreleased and hybridir.__version__ > version)
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation
    assert f"\ndate-released: {date}\n" in citation
