"""Runs one trial without Ray, alone or as one of several processes that torchrun started.

    torchrun --standalone --nproc-per-node 2 -m tune.worker.standalone spec.json

The result is written to ``spec.result``, by the first process.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from hybridir import names
from tune.worker.trial_process import run_here


class _FarEnough(BaseException):
    """The share of the budget at which the trial is to stop is reached."""


def run_once(spec: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Run a trial to a share of its budget.

    Args:
        spec: ``folder`` and ``cache`` as paths, ``config`` as JSON, ``cpu`` as a number of
            threads, ``stop_at`` as the share.

    Returns:
        The last metrics reported, and why the trial failed, or "".
    """
    last: dict[str, float] = {}

    def report(metrics: dict[str, float]) -> None:
        last.update(metrics)
        if metrics[names.FIDELITY] >= spec["stop_at"]:
            raise _FarEnough

    fidelities = sorted({spec["stop_at"], 1.0})
    try:
        failure = run_here({**spec, "fidelities": fidelities, "keep_encoder": False}, report)
    except _FarEnough:
        failure = None
    return last, failure.reason if failure else ""


if __name__ == "__main__":
    file = Path(sys.argv[1])
    result = run_once(json.loads(file.read_text()))
    if os.environ["RANK"] == "0":
        file.with_suffix(".result").write_text(json.dumps(result))
