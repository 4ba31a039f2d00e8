import hybridir
from tests.support.tiny import python

REPORT = """
import pathlib, sys
before = set(sys.modules)
import hybridir
heavy = {"torch", "transformers", "numpy", "pandas", "accelerate"}
print(sorted(heavy & set(sys.modules)), sorted(set(sys.modules) - before))
"""


def test_importing_the_package_imports_no_torch_and_nothing_else() -> None:
    assert python(REPORT).split("] [") == ["[", "'hybridir']\n"]


def test_the_command_line_comes_up_without_torch() -> None:
    assert python("import sys, hybridir.cli.main; print('torch' in sys.modules)") == "False\n"


def test_the_package_has_a_version() -> None:
    assert [part.isdigit() for part in hybridir.__version__.split(".")] == [True] * 3
