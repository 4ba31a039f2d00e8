"""Coverage of the report's intervals, and error rate of its tests, on simulated studies.

    python benchmarks/interval_coverage.py --replications 1000 --seed 1

Simulated studies with a known curve (`parts.simulation`) are analysed as the report does. Printed
are, for each check, the share of studies in which it holds, with its 95 % interval (Clopper and
Pearson), nominally 95 %, in the middle of a measure's range and near its ends; for tests of the
primary outcome, the share of studies with any false gain, nominally 5 % at most, and the power.
Widths are means over studies. The cases on the optimum have 300 studies at most.

NOT covered: fewer than two seeds, fewer than 48 clusters.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from statsmodels.stats.proportion import proportion_confint

from benchmarks.parts.coverage_of_intervals import (
    Case,
    Checks,
    check_intervals,
    check_near_a_limit,
    detects,
    false_gains,
    repeat,
)
from benchmarks.parts.simulation import (
    RATIOS,
    Curve,
    Design,
    NearALimit,
    Spread,
    asymmetric,
    flat,
    kinked,
    rising,
    saturating,
)

FIVE = (0.0, 0.25, 0.5, 0.75, 1.0)
SPREADS = {
    f"correlation {correlation:g}, {seeds}{', heavy tails' if heavy else ''}": Spread(
        correlation=correlation, seed=seed, heavy=heavy
    )
    for correlation in (0.05, 0.3)
    for seeds, seed in (("little noise of seeds", 0.001), ("much noise of seeds", 0.02))
    for heavy in (False, True)
}
LEVELS = [
    Case(f"{name}, {n_seeds} seeds", saturating(0.5, 0.02), Design(n_seeds), spread)
    for name, spread in SPREADS.items()
    for n_seeds in (3, 5)
]
NEAR_A_LIMIT = {
    "level .02, clusters .5": NearALimit(0.02, 0.5),
    "level .02, clusters 1": NearALimit(0.02, 1.0),
    "level .02, clusters 1, much noise of seeds": NearALimit(0.02, 1.0, seed=0.2),
    "level .15, clusters 1": NearALimit(0.18, 1.0),
    "level .98, clusters 1": NearALimit(0.02, 1.0, top=True),
    "hits, level .05, clusters 0": NearALimit(0.05, 0.0, hits=True),
    "hits, level .05, clusters .5": NearALimit(0.05, 0.5, hits=True),
    "hits, level .95, clusters 1": NearALimit(0.05, 1.0, hits=True, top=True),
}
CURVES: dict[str, Curve] = {
    "smooth, best .5": saturating(0.5, 0.02),
    "shallow, best .15": saturating(0.15, 0.004),
    "asymmetric, best .3": asymmetric(0.3, 0.03),
    "steep and asymmetric, best .1": asymmetric(0.1, 0.15),
    "kink at .9, best .5": kinked(0.5, 0.02, 0.03),
    "rising, best 1": rising(0.02),
    "flat": flat(),
}
OPTIMA = [
    Case(f"{name}, {len(ratios)} ratios, {n_seeds} seeds", curve, Design(n_seeds, ratios))
    for name, curve in CURVES.items()
    for ratios in (FIVE, RATIOS)
    for n_seeds in (2, 3, 5)
]
_FEWER = 300  # studies of each case on the optimum
_Repeated = tuple[str, Callable[[np.random.Generator], Checks], int]
"""Name of a case, its simulated study, and the number of such studies."""
_kept: tuple[list[_Repeated], int]


def main(
    replications: Annotated[int, typer.Option(min=1, help="Studies of each case.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 1,
    draws: Annotated[int, typer.Option(min=40, help="Draws of the bootstrap.")] = 1000,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Print the shares, case by case."""
    records = []
    cases = list(_cases(replications, draws))
    # Forked, since the curves of the cases are functions, which no other process can be sent.
    with multiprocessing.get_context("fork").Pool(
        initializer=_keep, initargs=(cases, seed)
    ) as pool:
        for (name, _, _), results in zip(
            cases, pool.imap(_repeat, range(len(cases))), strict=True
        ):
            print(name, flush=True)
            for check, values in results.items():
                record = _record(name, check, values)
                records.append(record)
                print(f"  {check}: {_text(record)}", flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n")


def _cases(replications: int, draws: int) -> Iterator[_Repeated]:
    for cases, count in ((LEVELS, replications), (OPTIMA, min(replications, _FEWER))):
        for case in cases:
            yield case.name, partial(check_intervals, case, draws=draws), count
    for name, effects in NEAR_A_LIMIT.items():
        level = effects.level()
        for n_seeds in (2, 3, 5):
            design = Design(n_seeds, (0.0, 1.0), n_cells=1)
            study = partial(check_near_a_limit, effects, level, design)
            yield f"{name}, {n_seeds} seeds", study, replications
    for name, spread in SPREADS.items():
        for n_seeds in (2, 5):
            study = partial(false_gains, Design(n_seeds, (0.0, 0.5, 1.0)), spread)
            yield f"no effect, {name}, {n_seeds} seeds", study, replications
    for height in (0.005, 0.01, 0.02):
        for n_seeds in (2, 5):
            design = Design(n_seeds, (0.0, 0.5, 1.0))
            case = Case(f"gain {height:g}, {n_seeds} seeds", saturating(0.5, height), design)
            yield case.name, partial(detects, case), replications


def _keep(cases: list[_Repeated], seed: int) -> None:
    """In a process: remember what `_repeat` repeats."""
    global _kept
    _kept = cases, seed


def _repeat(number: int) -> dict[str, list[float]]:
    cases, seed = _kept
    _, study, count = cases[number]
    return repeat(study, count, seed)


def _record(case: str, name: str, checks: list[float]) -> dict[str, str | float]:
    values = np.array(checks)
    share = float(values.mean())
    record: dict[str, str | float] = {"case": case, "name": name, "share": share, "n": len(values)}
    if not name.startswith("width"):
        low, high = proportion_confint(int(values.sum()), len(values), method="beta")
        record |= {"low": float(low), "high": float(high)}
    return record


def _text(record: dict[str, str | float]) -> str:
    bounds = f" [{record['low']:.3f}, {record['high']:.3f}]" if "low" in record else ""
    return f"{record['share']:.3f}{bounds}, n = {record['n']}"


if __name__ == "__main__":
    typer.run(main)
