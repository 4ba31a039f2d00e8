"""Every option that a message names is one of the command that prints it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from analysis import report
from hybridir.cli.main import app
from hybridir.cli.messages import as_options
from hybridir.config import BenchmarkConfig
from tune import run_sweep

ROOT = Path(__file__).parents[3]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])")
SWEEP, REPORT = "python tune/run_sweep.py", "python analysis/report.py"
# Commands that a message tells to run: the options behind one are its own.
NAMED = re.compile(
    r"hybridir (?:data )?[a-z]+|python (?:tune/run_sweep|analysis/report)\.py|python \{sys\.argv"
    r"|mlflow (?:server|ui)|ray start|torchrun|torch\.distributed\.run|pip install|uv pip"
)
OTHERS = "another program"
# Modules outside of a command's own file -> the commands that print what they say.
PRINTED_BY = {
    "hybridir/cli/main.py": ("hybridir",),
    "hybridir/cli/answer.py": ("hybridir infer",),
    "hybridir/cli/data.py": ("hybridir data prepare",),
    "hybridir/cli/evaluation.py": ("hybridir evaluate",),
    "hybridir/cli/messages.py": ("hybridir evaluate",),
    "hybridir/cli/options.py": ("hybridir evaluate",),
    "hybridir/cli/scores_files.py": ("hybridir infer",),
    "hybridir/cli/scores_table.py": ("hybridir infer",),
    "hybridir/cli/train_reader.py": ("hybridir train-reader",),
    "hybridir/evaluation/reader/fine_tune.py": ("hybridir train-reader",),
    "hybridir/evaluation/reader/make.py": ("hybridir train-reader",),
    "hybridir/data/published": ("hybridir data prepare",),
    "hybridir/encoder/third_party.py": ("hybridir evaluate",),
    "hybridir/evaluation": ("hybridir evaluate",),
    "hybridir/export": ("hybridir export",),
    "hybridir/export/model_card.py": ("hybridir evaluate",),
    "analysis": (REPORT,),
    "tune": (SWEEP,),
    "tune/driver/replay.py": (SWEEP, OTHERS),  # torchrun
    "tune/study/planned.py": (SWEEP, OTHERS),  # torchrun
    "tune/readiness/tracking_probe.py": (OTHERS,),  # the tracking server
}


def commands() -> dict[str, set[str]]:
    """All commands with their options."""
    found: dict[str, set[str]] = {}

    def add(name: str, command: Any) -> None:  # of click, as typer brings it
        found[name] = {"--help"}
        for parameter in command.params:
            found[name] |= {*parameter.opts, *parameter.secondary_opts}
        for child, inner in getattr(command, "commands", {}).items():
            add(f"{name} {child}", inner)

    add("hybridir", typer.main.get_command(app))
    for name, function in ((SWEEP, run_sweep.main), (REPORT, report.main)):
        script = typer.Typer()
        script.command()(function)
        add(name, typer.main.get_command(script))
    return found


COMMANDS = commands()


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module but its docstrings; what is computed in one is ``{}``.

    The words of a printed command, ``tool("mlflow", "ui", ...)``, are one string.
    """
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        # A string that stands alone is a docstring, and one in an f-string comes with it.
        inner = getattr(node, "value", None)
        if isinstance(node, ast.Expr) and isinstance(inner, ast.Constant):
            inner.value = None
        function = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and function in ("tool", "script"):
            words = [arg for arg in node.args if isinstance(arg, ast.Constant)]
            program = ["python"] if function == "script" else []
            yield node.lineno, " ".join([*program, *(str(word.value) for word in words)])
            for word in words:
                word.value = None
        if isinstance(node, ast.JoinedStr):
            parts = [
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            ]
            for part in node.values:
                if isinstance(part, ast.Constant):
                    part.value = None
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def printing_commands(module: str) -> tuple[str, ...]:
    if (own := f"hybridir {Path(module).stem}") in COMMANDS and module.startswith("hybridir/cli"):
        if own != "hybridir data":
            return (own,)
    keys = [key for key in PRINTED_BY if module == key or module.startswith(f"{key}/")]
    return PRINTED_BY[max(keys, key=len)] if keys else ()


def modules(*folders: str) -> list[str]:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


@pytest.mark.slow
def test_every_option_in_a_message_exists_where_it_is_printed() -> None:
    wrong = []
    for module in modules("hybridir", "tune", "analysis"):
        for line, text in texts(ROOT / module):
            starts = list(NAMED.finditer(text))
            for option in OPTION.finditer(text):
                before = [
                    match[0]
                    for match in starts
                    if match.end() <= option.start()
                    and not set(";)") & set(text[match.end() : option.start()])
                ]
                named = before[-1].strip() if before else ""
                if named.startswith("python {sys"):
                    named = SWEEP
                if named and not named.startswith(("hybridir", "python")):
                    continue  # another program's
                printing = (named,) if named in COMMANDS else printing_commands(module)
                if not printing:
                    wrong.append(f"{module}:{line}: which command prints {option[0]}? {text!r}")
                elif OTHERS not in printing and not any(
                    option[0] in COMMANDS[command] for command in printing
                ):
                    wrong.append(f"{module}:{line}: {printing} has no {option[0]}: {text!r}")
    assert wrong == []


def test_every_setting_that_a_reader_names_is_an_option_of_evaluate() -> None:
    named = set()
    for module in modules("hybridir/data", "hybridir/config"):
        for line, text in texts(ROOT / module):
            options = set(OPTION.findall(as_options(text))) - set(OPTION.findall(text))
            assert options <= COMMANDS["hybridir evaluate"], f"{module}:{line}: {text!r}"
            named |= options
    assert {"--skip-bad", "--language", "--languages", "--rules", "--parallel"} <= named
    assert {"--ignore-identical-ids", "--no-ignore-identical-ids", "--parallel-questions"} <= named


def test_every_setting_of_a_benchmark_is_an_option_of_evaluate() -> None:
    options = {f"--{field.replace('_', '-')}" for field in BenchmarkConfig.model_fields}
    assert options - {"--name"} <= COMMANDS["hybridir evaluate"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("command line:\n  - language: unknown language xx", None),
        ("command line: rules='strict': input should be 'published'", None),
        ("x: give language: CODE or languages: [A, B]", "--language CODE or --languages A,B"),
        ("needs data_root: FOLDER, the folder", "needs --data-root FOLDER, the folder"),
    ],
)  # fmt: skip
def test_settings_become_options_where_a_message_recommends_them(
    message: str, expected: str | None
) -> None:
    written = as_options(message)
    assert written == message if expected is None else expected in written
