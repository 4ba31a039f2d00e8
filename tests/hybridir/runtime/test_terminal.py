"""The console prints what it is given, and each command prints through it."""

import ast
from pathlib import Path

import pytest

from hybridir.runtime.terminal import plain_console

ROOT = Path(__file__).parents[3]


def test_text_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "my_samplers:x:file [bold]not bold[/bold] :smile: 12"
    plain_console(width=200).print(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_every_console_is_one_of_these() -> None:
    others = {
        str(path.relative_to(ROOT))
        for folder in ("hybridir", "tune", "analysis")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console"
    }
    assert others == {"hybridir/runtime/terminal.py"}
