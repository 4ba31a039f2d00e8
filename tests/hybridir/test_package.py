import doctest
import re
from pathlib import Path

import pytest

import hybridir
from tests.support.tiny import python

REPORT = """
import pathlib, sys
before = set(sys.modules)
import hybridir
heavy = {"torch", "transformers", "numpy", "pandas", "accelerate"}
print(sorted(heavy & set(sys.modules)), sorted(set(sys.modules) - before))
"""
PUBLIC = sorted(set(hybridir.__all__) - {"__version__"})


def test_importing_the_package_imports_no_torch_and_nothing_else() -> None:
    assert python(REPORT).split("] [") == ["[", "'hybridir']\n"]


def test_listing_the_public_names_imports_nothing() -> None:
    program = "import sys, hybridir; print(dir(hybridir), 'hybridir.data' in sys.modules)"
    printed = python(program)
    assert all(repr(name) in printed for name in hybridir.__all__)
    assert printed.endswith("False\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_of_each_public_name_runs_by_itself_in_an_empty_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    value = getattr(hybridir, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(value, name, globs={})
    outcome = doctest.DocTestRunner().run(example)
    assert outcome.attempted > 1
    assert outcome.failed == 0
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hybridir' has no attribute 'Pair'"):
        getattr(hybridir, "Pair")  # noqa: B009 (mypy knows that there is none)


def test_the_command_line_starts_without_torch() -> None:
    assert python("import sys, hybridir.cli.main; print('torch' in sys.modules)") == "False\n"


def test_the_package_has_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev0)?", hybridir.__version__)
