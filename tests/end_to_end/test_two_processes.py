"""A trial of two processes: the figures of one, and what happens when processes are killed."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridir import names
from hybridir.config.trial import EvaluationConfig, TrialConfig
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder.load import LoadedEncoder, load_bi_encoder
from hybridir.encoder.vocabulary import train_tokenizer
from hybridir.errors import InputError
from hybridir.retrieval import encode_benchmark
from hybridir.runtime.distributed import init_distributed
from hybridir.trial.run import ENCODER, RESULT, run_trial
from tests.hybridir.encoder.test_vocabulary import corpus
from tests.support.tiny import repeatable, trial
from tests.support.together import reserve_port, run_together, start

pytestmark = pytest.mark.long

STEPS = 10


def run(config: str, workspace: str, cache: str, killed: list[int], at: int) -> Any:
    """Run a trial; at a step its first process kills processes of the group without notice."""
    pids = Path(workspace).parent / f"pids-{Path(workspace).name}"
    pids.mkdir(exist_ok=True)
    (pids / os.environ.get("RANK", "0")).write_text(str(os.getpid()))
    steps: list[int] = []
    reports: list[float] = []

    def progress(step: int, of: int) -> None:
        steps.append(step)
        if step == at:
            for rank in killed:
                os.kill(int((pids / str(rank)).read_text()), signal.SIGKILL)

    result = run_trial(
        TrialConfig.model_validate_json(config),
        Path(workspace),
        Path(cache),
        fidelities=[0.5, 1.0],
        report=lambda metrics: reports.append(metrics[names.FIDELITY]),
        progress=progress,
        keep_encoder=True,
    )
    return result.metrics, steps, reports


def twice(config: str, first: str, second: str, cache: str, port: int) -> Any:
    """Two trials, the second one's processes meeting elsewhere, as a study has it.

    At the first one's port a process could still meet the end of that.
    """
    results = [run(config, first, cache, [], -1)]
    os.environ["MASTER_PORT"] = str(port)
    return [*results, run(config, second, cache, [], -1)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def config() -> str:
    return trial(encoder={**trial().encoder.model_dump(), "dropout": 0.1}).model_dump_json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trials")


@pytest.fixture(scope="module")
def undisturbed(folder: Path, config: str, cache: str) -> list[Any]:
    """Two equal trials, one after the other in the same two processes."""
    with reserve_port() as second_port:
        workspaces = str(folder / "whole"), str(folder / "again")
        port = second_port.getsockname()[1]
        return run_together(2, twice, config, *workspaces, cache, port)


def test_both_processes_know_the_result_and_the_first_alone_reports(
    undisturbed: list[Any], folder: Path
) -> None:
    (first, _), (second, _) = undisturbed
    assert first[0] == second[0]
    assert first[1] == list(range(1, STEPS + 1))
    assert second[1] == []
    assert first[2] == [0.5, 1.0]
    assert second[2] == []
    assert not list((folder / "whole").rglob("*.part"))
    assert not (folder / "whole" / names.TRIAL_CHECKPOINT).exists()


def test_pain_12_a_second_trial_in_the_same_processes_gives_the_same_figures(
    undisturbed: list[Any], folder: Path
) -> None:
    first, again = undisturbed[0]
    assert repeatable(first[0]) == repeatable(again[0])
    assert weights(folder / "whole") == weights(folder / "again")


def test_two_processes_reach_the_figures_of_one(folder: Path, cache: str) -> None:
    # Equal up to rounding, which grows a little over ten steps; dropout would differ.
    config = trial().model_dump_json()
    alone, _, _ = run(config, str(folder / "one"), cache, [], -1)
    (shared, _, _), _ = run_together(2, run, config, str(folder / "two"), cache, [], -1)
    assert set(shared) == set(alone)
    for name, value in repeatable(alone).items():
        assert shared[name] == pytest.approx(value, abs=5e-3), name
    assert shared[names.TRAIN_LOSS] == pytest.approx(alone[names.TRAIN_LOSS], abs=1e-4)
    assert shared[names.TRAIN_NEGATIVES] == alone[names.TRAIN_NEGATIVES]
    tables = [
        pd.read_parquet(folder / where / "per_query" / "dev.parquet") for where in ("one", "two")
    ]
    keys = [names.SETTING, names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.QUESTION_ID]
    pd.testing.assert_frame_equal(tables[0][keys], tables[1][keys])


@pytest.mark.parametrize("killed", [[1], [1, 0]], ids=["one", "all"])
def test_after_a_kill_two_processes_continue_bit_identically(
    undisturbed: list[Any], folder: Path, config: str, cache: str, killed: list[int]
) -> None:
    workspace = folder / f"killed-{len(killed)}"
    group = start(2, run, config, str(workspace), cache, killed, 7)
    codes = group.end()  # a surviving process does not wait for ever
    assert codes[1] == -signal.SIGKILL
    assert (codes[0] == -signal.SIGKILL) == (0 in killed)
    assert (workspace / names.TRIAL_CHECKPOINT).is_file()
    assert not (workspace / RESULT).exists()

    copy = workspace.with_name(f"{workspace.name}-copy")
    shutil.copytree(workspace, copy)

    first, second = run_together(2, run, config, str(workspace), cache, [], -1)
    assert first[1] == [6, 7, 8, 9, 10]  # from the checkpoint at the evaluation after step 5
    whole = undisturbed[0][0]
    assert repeatable(first[0]) == repeatable(whole[0])
    assert first[0] == second[0]
    assert weights(workspace) == weights(folder / "whole")

    # A single process starts from the beginning, since its dropout would differ from here on.
    _, steps, _ = run(config, str(copy), cache, [], -1)
    assert steps == list(range(1, STEPS + 1))


def test_a_batch_that_two_processes_cannot_share_leaves_no_workspace(
    folder: Path, cache: str
) -> None:
    config = trial(batch={"batch_size": 33}).model_dump_json()
    with pytest.raises(InputError, match="batch_size=33 cannot be shared by 2 processes"):
        run_together(2, run, config, str(folder / "uneven"), cache, [], -1)
    assert not (folder / "uneven").exists()


def encoded(cache: str) -> Any:
    benchmark = synthetic_corpus(3, 20, 30).test
    settings = trial().encoder
    tokenizer = train_tokenizer(corpus(), 400)
    with init_distributed() as distributed:
        encoder = LoadedEncoder(load_bi_encoder(settings, tokenizer, seed=0), tokenizer, settings)
        return encode_benchmark(
            encoder,
            benchmark,
            EvaluationConfig(batch_tokens=512),
            cache=Path(cache),
            distributed=distributed,
        )


def test_embeddings_of_two_processes_equal_those_of_one_to_the_last_bit(
    cache: str,
) -> None:
    expected = encoded(cache)
    for embeddings in run_together(2, encoded, cache):
        for array, expected_array in zip(embeddings, expected, strict=True):
            np.testing.assert_array_equal(array, expected_array)


def weights(workspace: Path) -> bytes:
    return (workspace / ENCODER / "model.safetensors").read_bytes()
