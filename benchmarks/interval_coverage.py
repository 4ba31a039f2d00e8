"""Coverage of the report's intervals, and error rate of its tests, on simulated studies.

    python benchmarks/interval_coverage.py --replications 1000 --seed 1

Simulated studies with a known curve (`parts.simulation`) are analysed as the report does. Printed
are, for each check, the share of studies in which it holds, with its 95 % interval (Clopper and
Pearson), nominally 95 %; for tests, the share of studies with any false gain, nominally 5 % at
most.

NOT covered: seed effects that are far from normal, and fewer than two seeds.
"""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from statsmodels.stats.proportion import proportion_confint

from benchmarks.parts.coverage_of_intervals import Case, check_intervals, false_gains, repeat
from benchmarks.parts.simulation import Spread, flat, kinked, saturating

FIVE = (0.0, 0.25, 0.5, 0.75, 1.0)
CASES = (
    Case("smooth, best .5", saturating(0.5, 0.02), 0.5, 5),
    Case("smooth, best .5", saturating(0.5, 0.02), 0.5, 3),
    Case("smooth, best .5", saturating(0.5, 0.02), 0.5, 2),
    Case("smooth, best .5", saturating(0.5, 0.02), 0.5, 5, n_questions=1000),
    Case("smooth, best .35", saturating(0.35, 0.01), 0.35, 5),
    Case("shallow, best .35", saturating(0.35, 0.004), 0.35, 5),
    Case("shallow, best .15", saturating(0.15, 0.004), 0.15, 5),
    Case("smooth, best .45, 5 ratios", saturating(0.45, 0.02), 0.45, 5, FIVE),
    Case("kink at .9, best .5", kinked(0.5, 0.02, 0.03), 0.5, 5),
    Case("flat", flat(), None, 5),
)
SPREADS = {
    "as measured": Spread(),
    "seeds alone": Spread(by_ratio=0, rest=0.02),
    "no seeds": Spread(seed=0),
}


def main(
    replications: Annotated[int, typer.Option(min=1, help="Studies of each case.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 1,
    draws: Annotated[int, typer.Option(min=40, help="Draws of the bootstrap.")] = 1000,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Print the shares, case by case."""
    records = []
    for case in CASES:
        study = partial(check_intervals, case, draws=draws)
        print(f"{case.name}; {case.n_seeds} seeds, {case.n_questions} questions", flush=True)
        for name, values in repeat(study, replications, seed).items():
            record = _record(
                f"{case.name}, {case.n_seeds} seeds, {case.n_questions} questions", name, values
            )
            records.append(record)
            print(f"  {name}: {_text(record)}", flush=True)
    for name, spread in SPREADS.items():
        for n_seeds in (3, 5):
            none = partial(false_gains, n_seeds, spread)
            (errors,) = repeat(none, replications, seed).values()
            record = _record(f"no effect, {name}, {n_seeds} seeds", "any false gain", errors)
            records.append(record)
            print(f"{record['case']}, any false gain in 6 tests: {_text(record)}", flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n")


def _record(case: str, name: str, checks: list[float]) -> dict[str, str | float]:
    values = np.array(checks)
    share = float(values.mean())
    record: dict[str, str | float] = {"case": case, "name": name, "share": share, "n": len(values)}
    if set(checks) <= {0.0, 1.0}:
        low, high = proportion_confint(int(values.sum()), len(values), method="beta")
        record |= {"low": float(low), "high": float(high)}
    return record


def _text(record: dict[str, str | float]) -> str:
    bounds = f" [{record['low']:.3f}, {record['high']:.3f}]" if "low" in record else ""
    return f"{record['share']:.3f}{bounds}, n = {record['n']}"


if __name__ == "__main__":
    typer.run(main)
