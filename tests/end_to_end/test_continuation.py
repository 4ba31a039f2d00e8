"""A killed training continues as if nothing had happened.

The training runs in its own process, which reports each step and waits for an answer before the
next one. At a chosen step the test sends SIGKILL, which no process can handle.
"""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hybridir import names
from hybridir.trial.run import ENCODER, RESULT, TrialResult, run_trial
from tests.support.tiny import ROOT, repeatable, trial

WORKER = """
import sys
from pathlib import Path
import torch
from hybridir.config.trial import TrialConfig
from hybridir.trial.run import run_trial

def say(word):
    print(word, flush=True)
    sys.stdin.readline()

torch.set_num_threads(int(sys.argv[4]))
run_trial(
    TrialConfig.model_validate_json(sys.argv[1]),
    Path(sys.argv[2]),
    Path(sys.argv[3]),
    fidelities=[0.5, 1.0],
    report=lambda metrics: say(f"report {metrics['fidelity']}"),
    progress=lambda step, steps: say(f"step {step}"),
)
"""


def kill_when_it_says(word: str, config: str, workspace: Path, cache: Path) -> list[str]:
    """Run the trial in a process, kill it at a message, and return all its messages."""
    threads = str(torch.get_num_threads())  # sums depend on the number of threads
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, config, str(workspace), str(cache), threads],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    messages = []
    for line in worker.stdout:
        messages.append(line.strip())
        if line.strip() == word:
            worker.kill()
            break
        worker.stdin.write("go on\n")
        worker.stdin.flush()
    worker.communicate()
    assert worker.returncode == -9, messages
    return messages


def finish(
    config: dict[str, dict[str, Any]], workspace: Path, cache: Path
) -> tuple[TrialResult, list[str]]:
    """Run the trial to its end in this process; return its result and messages."""
    messages: list[str] = []
    result = run_trial(
        trial(0, **config),
        workspace,
        cache,
        fidelities=[0.5, 1.0],
        report=lambda metrics: messages.append(f"report {metrics[names.FIDELITY]}"),
        progress=lambda step, steps: messages.append(f"step {step}"),
        keep_encoder=True,
    )
    return result, messages


# Ten steps with a checkpoint at the evaluation after the fifth, and three steps after the last
# one: at 3, 5 and 8. The test holds at any step, so it is drawn at random; the environment may set
# the seed.
STEP = random.Random(os.environ.get("HYBRIDIR_KILL_SEED", "0")).randint(1, 9)


@pytest.mark.long
@pytest.mark.parametrize(("word", "dropout"), [(f"step {STEP}", 0.1), ("report 0.5", 0.0)])
def test_a_killed_training_ends_with_the_weights_and_figures_of_one_that_was_not(
    word: str, dropout: float, tmp_path: Path
) -> None:
    config: dict[str, dict[str, Any]] = {"encoder": {"dropout": dropout}}
    cache = tmp_path / "cache"
    whole, expected = finish(config, tmp_path / "whole", cache)
    assert expected[3:7] == ["step 4", "report 0.5", "step 5", "step 6"]

    killed = tmp_path / "killed"
    messages = kill_when_it_says(word, trial(0, **config).model_dump_json(), killed, cache)
    assert messages == expected[: len(messages)]
    assert not (killed / RESULT).exists()
    result, again = finish(config, killed, cache)

    # The last checkpoint before the kill. The evaluation at step 5 is repeated unless a later
    # checkpoint was written.
    done = int(messages[-1].split()[1]) if word.startswith("step") else 5
    checkpoint = max(step for step in (0, 3, 5, 8) if step <= done)
    if checkpoint == 5:
        assert again == ["report 0.5", *expected[6:]]
    else:
        assert again == expected[{0: 0, 3: 3, 8: 9}[checkpoint] :]
    assert repeatable(result.metrics) == repeatable(whole.metrics)
    for file in (
        f"{ENCODER}/model.safetensors",
        f"{names.ARTIFACT_PER_QUERY}/dev.parquet",
        f"{names.ARTIFACT_PER_QUERY}/synthetic-test.parquet",
        names.ARTIFACT_TRAINING_LOG,
    ):
        assert (killed / file).read_bytes() == (whole.workspace / file).read_bytes()
    assert not (killed / names.TRIAL_CHECKPOINT).exists()
