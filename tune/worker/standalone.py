"""Runs one trial without Ray, alone or as one of several processes started by torchrun.

    torchrun --standalone --nproc-per-node 2 -m tune.worker.standalone spec.json

The first process writes the result to ``spec.result``.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from hybridir import names
from tune.worker.spec import TrialSpec
from tune.worker.trial_process import run_in_process


class _ReachedShare(BaseException):
    """The trial has reached the share of the budget at which it is to stop."""


def run_standalone(spec: TrialSpec, stop_at: float) -> tuple[dict[str, float], str]:
    """Run a trial to a share of its budget.

    Args:
        spec: the trial; its `fidelities` are not used.
        stop_at: the share.

    Returns:
        The last metrics reported, and why the trial failed, or "".
    """
    last: dict[str, float] = {}

    def report(metrics: dict[str, float]) -> None:
        last.update(metrics)
        if metrics[names.FIDELITY] >= stop_at:
            raise _ReachedShare

    try:
        fidelities = tuple(sorted({stop_at, 1.0}))
        failure = run_in_process(replace(spec, fidelities=fidelities), report)
    except _ReachedShare:
        failure = None
    return last, failure.reason if failure else ""


if __name__ == "__main__":
    file = Path(sys.argv[1])
    content = json.loads(file.read_text())
    result = run_standalone(TrialSpec.from_ray_config(content), content["stop_at"])
    if os.environ["RANK"] == "0":
        file.with_suffix(".result").write_text(json.dumps(result))
