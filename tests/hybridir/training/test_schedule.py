from pathlib import Path

import pytest
import torch

from hybridir.config import TrainingConfig
from hybridir.training.checkpoint import LoopState
from hybridir.training.schedule import Schedule, checkpoint_bytes, expected_checkpoints


def written(config: TrainingConfig, steps: int, per_step: float, cost: float) -> list[int]:
    """The steps after which a training of equal steps writes a checkpoint of a known cost."""
    schedule, at, seconds = Schedule(config, 0, 0.0, cost), [], 0.0
    for step in range(1, steps + 1):
        seconds += per_step
        if schedule.due(step, seconds, long_pause=step == steps):
            seconds += cost
            schedule.written(step, seconds, cost)
            at.append(step)
    return at


def test_pain_40_a_checkpoint_is_written_after_200_steps_or_5_minutes() -> None:
    default = TrainingConfig()
    # 450 steps of .1 s: by steps. 20 steps of 40 s: after 8 steps, which are 320 s.
    assert written(default, 450, 0.1, 0.0) == [200, 400, 450]
    assert written(default, 20, 40.0, 0.0) == [8, 16, 20]


def test_a_training_below_one_interval_writes_one_before_its_evaluation() -> None:
    assert written(TrainingConfig(), 50, 1.0, 0.5) == [50]


@pytest.mark.parametrize("cost", [0.01, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("per_step", [0.01, 1.0, 40.0])
def test_checkpoints_never_take_more_than_their_share(cost: float, per_step: float) -> None:
    for steps in (1, 50, 199, 1000):
        count = len(written(TrainingConfig(), steps, per_step, cost))
        assert count * cost <= 0.05 * (steps * per_step + count * cost) + 1e-9
        assert count <= expected_checkpoints(
            TrainingConfig(), steps=steps, seconds=steps * per_step, cost=cost
        )


def test_one_that_was_too_dear_is_written_as_soon_as_it_is_not() -> None:
    # 200 steps of 1/8 s are 25 s; a checkpoint of 2 s may be written after s seconds with
    # 2 <= .05 (s + 2), s = 38, which is step 304; the next ones 38 s of training later.
    assert written(TrainingConfig(), 1000, 0.125, 2.0) == [304, 608, 912]


def test_a_continued_training_counts_from_where_it_goes_on() -> None:
    # At step 190 after 19 s; a checkpoint of 1 s needs 19 s of training since then.
    schedule = Schedule(TrainingConfig(), 190, 19.0, 1.0)
    assert not schedule.due(390, 37.9, long_pause=False)
    assert schedule.due(390, 38.1, long_pause=False)


def test_the_bytes_of_a_checkpoint_are_those_of_its_file(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(200, 300), torch.nn.Embedding(100, 200))
    optimizer = torch.optim.AdamW(model.parameters())
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    LoopState(model, optimizer).save(tmp_path / "c.pt", "print")
    # 60,000 + 300 + 20,000 weights, three numbers of 4 bytes each.
    assert checkpoint_bytes(model) == 80_300 * 12
    assert (tmp_path / "c.pt").stat().st_size == pytest.approx(80_300 * 12, rel=0.02)
