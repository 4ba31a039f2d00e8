"""Runs one trial again, without Ray, and compares its figures."""

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
from hybridir.errors import InputError
from tune.folders import Outcome, RunFolder, TrialFolder, cache_folder
from tune.record.environment import environment, environment_at
from tune.study.file import load_study
from tune.study.resources import ResourcesConfig
from tune.worker.standalone import run_once

_ROOT = Path(__file__).resolve().parents[2]
_LAST_LINES = 12


def replay(folder: RunFolder, trial: str, console: Console) -> bool:
    """Run a finished trial again and print its figures then and now.

    On the same versions and hardware all figures are the same to the last digit, except those of
    `names.UNREPEATABLE`, which are left out. A trial that was stopped is run to where it was.

    Args:
        folder: run of the study.
        trial: name of the trial, such as ``search-003``.
        console: where to.

    Returns:
        Whether all is the same.

    Raises:
        InputError: if there is no such trial, or it has not ended.
    """
    found, outcome = _ended(folder, trial)
    study = load_study(folder.study_file, [])
    _say(console, f"replaying {trial} of {folder.path}, {outcome.state} then on {outcome.host}")
    last, reason = _run_again(
        found, outcome, study.resources, cache_folder(folder.path.parent.parent)
    )
    then, now = (
        {name: value for name, value in metrics.items() if name not in names.UNREPEATABLE}
        for metrics in (outcome.metrics, last)
    )
    if outcome.state == names.FAIL or reason:
        same = outcome.reason == reason
        _say(console, f"then: {outcome.reason or 'did not fail'}")
        _say(console, f"now:  {reason or 'did not fail'}")
        verdict = "it fails in the same way" if same else "it ends in another way"
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
        for line in _explain(folder, found, outcome):
            _say(console, line)
    return same


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ended(folder: RunFolder, name: str) -> tuple[TrialFolder, Outcome]:
    trials = {trial.name: trial for trial in folder.trials()}
    ended = [trial.name for trial in trials.values() if trial.outcome]
    outcome = trials[name].outcome if name in trials else None
    if outcome is None:
        problem = "has not ended" if name in trials else "is not there"
        raise InputError(
            f"trial {name!r} {problem} in {folder.path}; trials that have ended: "
            f"{', '.join(ended) or 'none'}"
        )
    return trials[name], outcome


def _run_again(
    trial: TrialFolder, outcome: Outcome, resources: ResourcesConfig, cache: Path
) -> tuple[dict[str, float], str]:
    """Run a trial in a workspace of its own, in as many processes as in the study.

    Returns:
        Its metrics, and why it failed, if it did.
    """
    pruned = outcome.state == names.PRUNED
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary) / trial.name
        spec = {
            "folder": str(workspace),
            "cache": str(cache.resolve()),
            "config": (trial.path / names.ARTIFACT_CONFIG).read_text(),
            "cpu": resources.cpu,
            "stop_at": outcome.metrics[names.FIDELITY] if pruned else 1.0,
        }
        if resources.processes == 1:
            return run_once(spec)
        file = Path(temporary) / "spec.json"
        file.write_text(json.dumps(spec))
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


def _explain(folder: RunFolder, trial: TrialFolder, outcome: Outcome) -> list[str]:
    """What may have made a difference."""
    then, now = environment_at(folder, trial.ended), environment()
    found = [
        f"{name}: {then[name]} then, {now[name]} now"
        for name in now
        if name in then and then[name] != now[name]
    ]
    if outcome.host != socket.gethostname():
        found.append(f"host: {outcome.host} then, {socket.gethostname()} now")
    if not then:
        found.append("versions then: not known")
    return found or ["versions, processor and host are the same as then"]
