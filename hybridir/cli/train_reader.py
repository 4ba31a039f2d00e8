"""The command `hybridir train-reader`: an encoder learns to read answers from paragraphs.

hybridir train-reader ENCODER --data mlqa-r --benchmark xquad-r --data-root DIR --out READER
hybridir evaluate ENCODER --benchmark xquad-r --data-root DIR --reader READER
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from hybridir import names
from hybridir.cli.messages import as_options, reworded
from hybridir.cli.options import refuse_trial
from hybridir.cli.tables import print_whole
from hybridir.languages import parse_languages
from hybridir.runtime.commands import script
from hybridir.runtime.startup import frozen_imports, quieten_dependencies
from hybridir.runtime.terminal import plain_console

console = plain_console()
_OPTION = re.compile(r"\b(out|cache|epochs|learning_rate|batch_size|seed|precision)=")
# Seconds between two lines where no bar can be drawn.
_EVERY = 60.0


def train_reader(
    encoder: Annotated[
        str, typer.Argument(help="Folder of Hugging Face or sentence-transformers, or a hub id.")
    ],
    data: Annotated[str, typer.Option(help="mlqa-r or xquad-r: what the reader learns from.")],
    benchmark: Annotated[
        str, typer.Option(help="The other one: its gold paragraphs are read at the end.")
    ],
    data_root: Annotated[Path, typer.Option(help="Folder that holds xquad-r/ and mlqa-r/.")],
    out: Annotated[Path, typer.Option(help="Folder of the reader; must not exist yet.")],
    languages: Annotated[
        str | None, typer.Option(help="Codes to train on, such as de,en. All if left out.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub id.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 2,
    learning_rate: Annotated[float, typer.Option(help="Of the first step; falls to 0.")] = 3e-5,
    batch_size: Annotated[int, typer.Option(help="Windows of a step.")] = 12,
    seed: Annotated[int, typer.Option(help="One seed gives one reader.")] = 0,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or auto.")] = "fp32",
    cache: Annotated[
        Path,
        typer.Option(
            help="Folder of unfinished work, and of answers for hybridir evaluate --reader."
        ),
    ] = Path(".hybridir-cache"),
) -> None:
    """Fine-tune an encoder to a reader, which `evaluate --reader` and studies load.

    Says at the end what it reads from the gold paragraphs: the ceiling of every retriever. The
    same command continues an interrupted one.
    """
    from hybridir.config import describe_problems
    from hybridir.config.benchmarks import WITH_ANSWERS

    problems = [
        f"--{name} {value}: choose {' or '.join(WITH_ANSWERS)}"
        for name, value in (("data", data), ("benchmark", benchmark))
        if value not in WITH_ANSWERS
    ]
    if problems:
        raise describe_problems("command line", problems)
    refuse_trial(Path(encoder))
    with frozen_imports():
        quieten_dependencies()
        from hybridir.evaluation.reader.fine_tune import Recipe  # torch
        from hybridir.evaluation.reader.make import ReaderRequest, make_reader

    request = ReaderRequest(
        encoder=encoder,
        data=data,
        benchmark=benchmark,
        data_root=data_root,
        out=out,
        cache=cache,
        languages=None if languages is None else parse_languages(languages),
        revision=revision,
        recipe=Recipe(epochs, learning_rate, batch_size, seed, precision),
    )
    with reworded(as_options, _as_own_options):
        record = make_reader(request, _say, _show)
    _print_ceiling(record["ceiling"])
    _say(
        f"reader: {out}; a study reads with: "
        + script("tune/run_sweep.py", "STUDY.yaml", "--set", f"evaluation.reader.path={out}")
    )


def _as_own_options(message: str) -> str:
    """Write the settings of the recipe as options."""
    return _OPTION.sub(lambda match: f"--{match[1].replace('_', '-')} ", message)


@contextmanager
def _show(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on a terminal, lines elsewhere."""
    if console.is_terminal:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(name)
            yield lambda step, steps: bar.update(task, completed=step, total=steps)
    else:
        yield _Lines(name)


class _Lines:
    """Prints a line a minute: the steps done, and the time left at their pace."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: tuple[int, float] | None = None
        self._said = time.monotonic()

    def __call__(self, step: int, steps: int) -> None:
        now = time.monotonic()
        if self._first is None:  # not 0 where an interrupted training goes on
            self._first = (step, now)
        elif now - self._said >= _EVERY or step == steps:
            done, began = self._first
            left = (now - began) / max(step - done, 1) * (steps - step)
            _say(f"{self._name}: {step} of {steps}, {left / 60:.0f} min left")
            self._said = now


def _print_ceiling(ceiling: dict[str, Any]) -> None:
    """Print what the reader gets right in the gold paragraphs."""
    table = Table(
        title=f"{ceiling['benchmark']}: read from the gold paragraphs of {ceiling['pairs']} "
        "questions, in their own language; the ceiling of every retriever"
    )
    table.add_column("language")
    for heading in ("pairs", *(names.LABELS[name] for name in names.READER_MEASURES)):
        table.add_column(heading, justify="right")
    rows = {**ceiling["languages"], "mean": ceiling}
    for language, means in rows.items():
        figures = (f"{means[name]:.4f}" for name in names.READER_MEASURES)
        table.add_row(language, str(means["pairs"]), *figures)
    print_whole(console, table)


def _say(line: str) -> None:
    console.print(line, soft_wrap=True)
