"""Repeats one trial without Ray, and compares its figures."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.errors import InputError
from tune.folders import Outcome, RunFolder, TrialFolder, cache_folder
from tune.readiness.inputs import check_same_inputs
from tune.record.environment import environment, environment_at
from tune.study.recorded import read_recorded
from tune.study.resources import ResourcesConfig
from tune.worker.spec import TrialSpec
from tune.worker.standalone import run_standalone

_ROOT = Path(__file__).resolve().parents[2]
_LAST_LINES = 12


def replay(folder: RunFolder, trial: str, console: Console) -> bool:
    """Run an ended trial again and print its figures then and now.

    On the same versions and hardware all figures agree to the last digit, except those of
    `names.UNREPEATABLE`, which are left out. A stopped trial runs to the share of the budget at
    which it was stopped.

    Args:
        folder: run folder of the study.
        trial: name of the trial, such as ``search-003``.
        console: console to print to.

    Returns:
        Whether all figures agree.

    Raises:
        InputError: if there is no such trial, it has not ended, or its data have changed since.
    """
    trial_folder, outcome = _ended(folder, trial)
    study, _ = read_recorded(folder)
    recorded = (trial_folder.path / names.ARTIFACT_CONFIG).read_text()
    check_same_inputs(TrialConfig.model_validate_json(recorded), folder)
    _say(console, f"replaying {trial} of {folder.path}: {outcome.state} on {outcome.host}")
    last, reason = _run_again(trial_folder, outcome, study.resources, cache_folder(folder.storage))
    then, now = (
        {name: value for name, value in metrics.items() if name not in names.UNREPEATABLE}
        for metrics in (outcome.metrics, last)
    )
    if outcome.state == names.FAIL or reason:
        same = outcome.reason == reason
        _say(console, f"then: {outcome.reason or 'did not fail'}")
        _say(console, f"now:  {reason or 'did not fail'}")
        verdict = "fails in the same way" if same else "ends differently"
    else:
        different = sorted(k for k in then.keys() | now.keys() if then.get(k) != now.get(k))
        same = not different
        console.print(_table(then, now))
        verdict = (
            f"all {len(then)} metrics are the same to the last digit"
            if same
            else f"{len(different)} of {len(then)} metrics differ: {', '.join(different)}"
        )
    _say(console, f"{trial}: {verdict}")
    if not same:
        for line in _differences(folder, trial_folder, outcome):
            _say(console, line)
    return same


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)


def _ended(folder: RunFolder, name: str) -> tuple[TrialFolder, Outcome]:
    trials = {trial.name: trial for trial in folder.trials()}
    ended = [trial.name for trial in trials.values() if trial.outcome]
    outcome = trials[name].outcome if name in trials else None
    if outcome is None:
        problem = "has not ended" if name in trials else "does not exist"
        raise InputError(
            f"trial {name!r} {problem} in {folder.path}; ended trials: "
            f"{', '.join(ended) or 'none'}"
        )
    return trials[name], outcome


def _run_again(
    trial: TrialFolder, outcome: Outcome, resources: ResourcesConfig, cache: Path
) -> tuple[dict[str, float], str]:
    """Run a trial in a new workspace, in as many processes as in the study.

    Returns:
        The metrics, and why the trial failed, or "".
    """
    stop_at = outcome.metrics[names.FIDELITY] if outcome.state == names.PRUNED else 1.0
    with tempfile.TemporaryDirectory() as temporary:
        spec = TrialSpec(
            folder=str(Path(temporary) / trial.name),
            cache=str(cache.resolve()),
            config=(trial.path / names.ARTIFACT_CONFIG).read_text(),
            cpu=resources.cpu,
        )
        if resources.processes == 1:
            return run_standalone(spec, stop_at)
        file = Path(temporary) / "spec.json"
        file.write_text(json.dumps({**spec.as_ray_config(), "stop_at": stop_at}))
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        torchrun += ["--nproc-per-node", str(resources.processes)]
        ended = subprocess.run(
            [*torchrun, "-m", "tune.worker.standalone", str(file)],
            cwd=_ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(resources.cpu)},
            capture_output=True,
            text=True,
        )
        if not file.with_suffix(".result").is_file():
            return {}, "\n".join(ended.stderr.strip().splitlines()[-_LAST_LINES:])
        metrics, reason = json.loads(file.with_suffix(".result").read_text())
        return metrics, reason


def _table(then: dict[str, float], now: dict[str, float]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    table.add_column("metric")
    for column in ("then", "now", "difference"):
        table.add_column(column, justify="right")
    for name in sorted(then.keys() | now.keys()):
        before, after = then.get(name), now.get(name)
        difference = f"{after - before:.3g}" if before is not None and after is not None else "-"
        cells = ("-" if value is None else f"{value:.10g}" for value in (before, after))
        table.add_row(name, *cells, difference)
    return table


def _differences(folder: RunFolder, trial: TrialFolder, outcome: Outcome) -> list[str]:
    """Differences between the environments then and now, which may explain other figures."""
    then, now = environment_at(folder, trial.ended), environment()
    differences = [
        f"{name}: {then[name]} then, {now[name]} now"
        for name in now
        if name in then and then[name] != now[name]
    ]
    if outcome.host != socket.gethostname():
        differences.append(f"host: {outcome.host} then, {socket.gethostname()} now")
    if not then:
        differences.append("versions then: unknown")
    return differences or ["versions, processor and host are the same as then"]
