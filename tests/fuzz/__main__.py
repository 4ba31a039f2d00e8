"""Damaged files: every loader takes them or names the problem, and leaves nothing behind.

    python -m tests.fuzz --files 10000 --seed 1
    python -m tests.fuzz --seed 1 --only 4711      # one case again, with its traceback

Each file is a whole input with one to three damages: flipped, cut, doubled or foreign bytes,
values of another type, missing keys and columns, endless numbers and brackets, halves of surrogate
pairs.
A case passes if the loader returns a complete result or raises the error that it documents, in
time, without a temporary or half-written file.

Inputs of failed cases are kept. The last line is the result; the exit code is 1 if anything
failed.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tests.fuzz.campaign import LOADERS, OUTCOMES, Case, Outcome, run_case, run_cases

_FAULTS: dict[str, Outcome] = {"tracebacks": "traceback", "hangs": "hang", "leftovers": "leftover"}
_PROGRESS = 500


def main(
    files: Annotated[int, typer.Option(min=1, help="How many damaged files.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Decides every damage.")] = 1,
    only: Annotated[int | None, typer.Option(min=0, help="Repeat this case alone.")] = None,
    table: Annotated[Path | None, typer.Option(help="Write the table here too.")] = None,
) -> None:
    """Load damaged files."""
    failed = Path(tempfile.mkdtemp(prefix="fuzz-failed-"))
    cases: list[Case] = []
    started = time.monotonic()
    numbers = range(files) if only is None else range(only, only + 1)
    for case in run_cases(seed, numbers) if only is None else [run_case(seed, only)]:
        cases.append(case)
        if case.outcome in _FAULTS.values():
            print(_report(case, seed, failed), flush=True)
        if len(cases) % _PROGRESS == 0:
            seconds = time.monotonic() - started
            print(f"[{len(cases):5d}/{files}] {seconds:.0f} s; {summary(cases)}", flush=True)
    if only is not None:
        print(f"case {only}: {cases[0].outcome}: {cases[0].detail}")
    if not any(failed.iterdir()):
        failed.rmdir()
    text = as_table(cases)
    if table:
        table.write_text(text)
    print(text)
    print(summary(cases))
    sys.exit(any(case.outcome in _FAULTS.values() for case in cases))


def _report(case: Case, seed: int, failed: Path) -> str:
    """Write the input of a failed case; returns its message."""
    folder = failed / str(case.number)
    if case.loader != "?":  # a case that ended its process would end this one as well
        run_case(seed, case.number, folder)
        (folder / "detail.txt").write_text(case.detail)
    again = f"python -m tests.fuzz --seed {seed} --only {case.number}"
    last = case.detail.strip().splitlines()[-1][:200]
    return f"{case.outcome}: {case.loader}, {case.file}: {last}\n    {again}    ({folder})"


def as_table(cases: list[Case]) -> str:
    """Number of outcomes of each loader, as a Markdown table."""
    heads = [*OUTCOMES[:2], *_FAULTS]
    lines = [f"| reader of | files | {' | '.join(heads)} |", "|---|" + "---:|" * (1 + len(heads))]
    names = [*(loader.name for loader in LOADERS), "?"]
    for name in names:
        counts = Counter(case.outcome for case in cases if case.loader == name)
        if counts:
            cells = [counts.total(), *(counts[outcome] for outcome in OUTCOMES)]
            lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def summary(cases: list[Case]) -> str:
    """The result in one line."""
    counts = Counter(case.outcome for case in cases)
    faults = " ".join(f"{name}={counts[outcome]}" for name, outcome in _FAULTS.items())
    return f"files={len(cases)} {faults}"


if __name__ == "__main__":
    typer.run(main)
