import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
import torch
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

from hybridir.batches.plan import BatchPlan, check_shards
from hybridir.config import BatchConfig, TrainingConfig
from hybridir.encoder.bi_encoder import embed
from hybridir.encoder.packed.packing import pack
from hybridir.errors import InputError, TrialError
from hybridir.runtime.distributed import SINGLE_PROCESS, RankZeroFailed, init_distributed
from hybridir.runtime.precision import accelerator
from hybridir.training.checkpoint import LoopState
from hybridir.training.loop import train
from tests.hybridir.training.test_loop import QUESTIONS, STEPS, tiny_encoder, tokens_of, weights
from tests.support.tiny import pairs_of, parallel
from tests.support.together import GROUP, run_together, set_launcher_environment

# Each starts processes of its own.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(GROUP)]

# Half of the questions share a passage group with a question that may be on the other process.
CROWDED = pairs_of(
    [
        (f"q{number}", f"g{number % 6}", language)
        for number in range(QUESTIONS)
        for language in ("de", "en")
    ]
)
# High enough that the rounding of gradients in fp32 lies below the required 1e-6.
TEMPERATURE = 0.5
TABLES = {"plain": parallel(QUESTIONS, "de en"), "crowded": CROWDED}


class Stopped(Exception):
    """Ends a training at a chosen step."""


def first_gradient(
    table: str, symmetric: bool, dropout: float, chunk_tokens: int
) -> tuple[float, dict[str, np.ndarray[Any, Any]]]:
    """Loss and gradient of the first step of the real loop, without clipping."""
    encoder = tiny_encoder(dropout)
    plan = BatchPlan([TABLES[table]], BatchConfig(batch_size=8), pairs=80, seed=0)
    gradients: list[dict[str, np.ndarray[Any, Any]]] = []
    losses: list[float] = []
    with init_distributed() as distributed, accelerator("fp32") as accelerate:

        def keep_gradient(optimizer: Any, *_: Any) -> None:
            gradients.append(
                {
                    name: weight.grad.numpy().copy()
                    for name, weight in encoder.named_parameters()
                    if weight.grad is not None
                }
            )

        handle = register_optimizer_step_pre_hook(keep_gradient)

        def stop(state: LoopState) -> None:
            losses.append(state.losses[0])
            raise Stopped

        with pytest.raises(Stopped):
            train(
                TrainingConfig(
                    temperature=TEMPERATURE,
                    symmetric=symmetric,
                    learning_rate=3e-3,
                    weight_decay=0.0,
                    clip_norm=1e9,
                    chunk_tokens=chunk_tokens,
                    checkpoint_every=1000,
                ),
                accelerate,
                encoder,
                tokens_of(0),
                tokens_of(20),
                plan,
                seed=5,
                checkpoint=Path("/nonexistent/c.pt"),
                fingerprint="",
                on_step=stop,
                distributed=distributed,
            )
        handle.remove()
    return losses[0], gradients[0]


WHOLE = 10_000  # more tokens than a batch has
CASES = [
    ("plain", False, 0.0, WHOLE),
    ("plain", True, 0.0, WHOLE),
    ("crowded", False, 0.0, WHOLE),
    ("crowded", True, 0.0, WHOLE),
    ("crowded", True, 0.1, WHOLE),
    ("crowded", True, 0.1, 40),
]


@pytest.fixture(scope="module")
def gradients() -> list[list[Any]]:
    """By case, then by rank."""
    return [run_together(2, first_gradient, *case) for case in CASES]


@pytest.mark.parametrize(
    "case", range(len(CASES)), ids=["-".join(map(str, case)) for case in CASES]
)
def test_pain_18_two_processes_have_the_loss_and_gradient_of_one_with_the_whole_batch(
    gradients: list[list[Any]], case: int
) -> None:
    table, symmetric, dropout, _ = CASES[case]
    loss, gradient = first_gradient(table, symmetric, dropout, WHOLE)
    for rank in (0, 1):
        shared_loss, shared = gradients[case][rank]
        assert shared_loss == pytest.approx(loss, abs=1e-6)
        assert set(shared) == set(gradient)
        for name, expected in gradient.items():
            np.testing.assert_allclose(shared[name], expected, atol=1e-6, rtol=0, err_msg=name)
        assert max(abs(g).max() for g in gradient.values()) > 0.05  # gradients are not negligible


def test_the_loss_of_two_processes_is_the_definition_over_all_their_passages(
    gradients: list[list[Any]],
) -> None:
    # Computed by definition for the crowded table: each text is embedded alone, without the loop.
    batch = BatchPlan([CROWDED], BatchConfig(batch_size=8), pairs=80, seed=0)[0]
    encoder = tiny_encoder(0.0).eval()

    def vectors(table: Any, rows: Any) -> torch.Tensor:
        return torch.cat([embed(encoder, pack([table[row]])) for row in rows])

    logits = vectors(tokens_of(0), batch.questions) @ vectors(tokens_of(20), batch.passages).T
    groups = torch.from_numpy(batch.groups)
    masked = (groups[:, None] == groups[None]) & ~torch.eye(8, dtype=torch.bool)
    halves = masked[:4, 4:], masked[4:, :4]
    assert any(half.any() for half in halves)  # some false negatives are on the other process
    logits = (logits / TEMPERATURE).masked_fill(masked, -torch.inf)
    loss = functional.cross_entropy(logits, torch.arange(8))
    assert gradients[2][0][0] == pytest.approx(loss.item(), abs=1e-6)


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_pain_13_all_ranks_together_see_exactly_the_plan_of_one(
    world_size: int,
) -> None:
    plan = BatchPlan([TABLES["plain"]], BatchConfig(batch_size=12), pairs=12 * STEPS, seed=3)
    for step in range(plan.steps):
        shards = [plan[step].shard(rank, world_size) for rank in range(world_size)]
        assert {len(shard.questions) for shard in shards} == {12 // world_size}
        for rows in ("questions", "passages", "groups"):
            whole = np.concatenate([getattr(shard, rows) for shard in shards])
            np.testing.assert_array_equal(whole, getattr(plan[step], rows))


def test_a_batch_that_cannot_be_shared_evenly_is_refused_with_the_next_size_that_can() -> None:
    check_shards(64, 4)
    with pytest.raises(InputError, match=r"batch_size=64 .*by 3 processes; .*such as 66"):
        check_shards(64, 3)


def trained(folder: str, dropout: float, stop: int, temperature: float) -> Any:
    """Train together, in bf16 and chunks; return weights and losses."""
    encoder = tiny_encoder(dropout)
    plan = BatchPlan([TABLES["plain"]], BatchConfig(batch_size=8), pairs=8 * STEPS, seed=0)

    def on_step(state: LoopState) -> None:
        if state.step == stop:
            raise Stopped

    with init_distributed() as distributed, accelerator("bf16") as accelerate:
        try:
            state = train(
                TrainingConfig(
                    temperature=temperature,
                    learning_rate=3e-3,
                    chunk_tokens=50,
                    checkpoint_every=5,
                    checkpoint_share=1.0,
                ),
                accelerate,
                encoder,
                tokens_of(0),
                tokens_of(20),
                plan,
                seed=5,
                checkpoint=Path(folder) / "c.pt",
                fingerprint="this",
                on_step=on_step,
                distributed=distributed,
            )
        except Stopped:
            return None
        except TrialError as error:
            return str(error)
        return (
            {name: weight.numpy() for name, weight in weights(encoder).items()},
            state.losses,
        )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Weights and losses by rank."""
    return run_together(2, trained, str(tmp_path_factory.mktemp("whole")), 0.1, -1, 0.05)


def test_all_processes_hold_the_same_weights_and_losses(undisturbed: list[Any]) -> None:
    (first, first_losses), (second, second_losses) = undisturbed
    assert first_losses == second_losses
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_an_interrupted_training_of_two_processes_continues_bit_identically(
    undisturbed: list[Any], tmp_path: Path
) -> None:
    run_together(2, trained, str(tmp_path), 0.1, 8, 0.05)
    continued = run_together(2, trained, str(tmp_path), 0.1, -1, 0.05)
    for (found, losses), (expected, whole_losses) in zip(continued, undisturbed, strict=True):
        assert losses == whole_losses
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_training_that_diverges_stops_in_every_process(tmp_path: Path) -> None:
    first, second = run_together(2, trained, str(tmp_path), 0.1, -1, 1e-45)
    assert first == second
    assert first.startswith("step 0: loss")


def exchange() -> dict[str, Any]:
    """Exchange values with the other process; return the results."""
    results: dict[str, Any] = {}
    with init_distributed() as distributed:
        results["collected"] = distributed.all_gather_object(f"from {distributed.rank}")
        results["first"] = distributed.on_rank_zero(lambda: distributed.rank)
        total = np.full(3, distributed.rank + 1, dtype=np.float32)
        distributed.all_reduce(total)
        results["total"] = total.tolist()
        try:
            distributed.on_rank_zero(lambda: 1 // distributed.rank)
        except (RankZeroFailed, ZeroDivisionError) as error:
            results["failure"] = f"{type(error).__name__}: {error}"
        results["after"] = distributed.on_rank_zero(lambda: "goes on")
    set_launcher_environment(0, 1, 0)
    with init_distributed() as distributed:
        results["then"] = distributed
    return results


def test_all_processes_get_the_result_or_the_failure_of_rank_zero() -> None:
    first, second = run_together(2, exchange)
    for results in (first, second):
        assert results["collected"] == ["from 0", "from 1"]
        assert results["first"] == 0
        assert results["total"] == [3.0] * 3  # 1 + 2
        assert results["after"] == "goes on"
        assert results["then"] == SINGLE_PROCESS
    assert first["failure"].startswith("ZeroDivisionError: ")
    assert second["failure"].startswith("RankZeroFailed: ZeroDivisionError: ")


def test_without_a_launcher_there_is_one_process() -> None:
    assert "WORLD_SIZE" not in os.environ
    with init_distributed() as distributed:
        assert distributed == SINGLE_PROCESS
        assert not torch.distributed.is_initialized()


def listening() -> list[str]:
    with init_distributed():
        return [
            connection.laddr.ip
            for connection in psutil.Process().net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]


def test_the_processes_of_one_machine_listen_on_the_loopback_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")  # as a study's worker sets it
    first, second = run_together(2, listening)
    assert len(first) == 2, "the store, which has no password, and gloo"
    assert {*first, *second} == {"127.0.0.1"}
