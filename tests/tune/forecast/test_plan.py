from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hybridir.errors import InputError
from tests.support.study_files import write
from tune.folders import RunFolder
from tune.forecast.estimate import PhasePlan, Plan
from tune.forecast.plan import _ratio_of_trials, read_plan, render
from tune.forecast.probe import BatchSizeCost
from tune.study.file import DEMO, read_study_file


def test_a_plan_shows_each_batch_size_and_sums() -> None:
    plan = Plan(
        phases=(
            PhasePlan("search", 8, (32, 64), 10.0, (600.0, 900.0), (1000.0, 1800.0)),
            PhasePlan("confirm", 20, (64,), 24.0, (1200.0, 2700.0), (2600.0, 5400.0), (0.25, 1.0)),
        ),
        points=(BatchSizeCost(32, 80.0, 512.0), BatchSizeCost(64, 120.0, 1600.0)),
        at_a_time=2,
        startup_seconds=9.0,
        seconds=(1800.0, 3600.0),
        disk_mb=1234.0,
        kept_mb=56.0,
        cache_mb=7.0,
        process_mb=1600.0,
        cost=(2.0, 4.0),
        hourly_price=2.0,
        host="somewhere",
        checkpoint_mb=12.0,
        checkpoints_mb=3456.0,
    )
    console = Console(record=True, width=120)
    for block in render(read_study_file(DEMO, []), plan):
        console.print(block)
    text = console.export_text()
    rows = [line for line in text.splitlines() if " MB │" in line]
    assert [row.replace("│", " ").split()[:3] for row in rows] == [
        ["search", "8", "32"],
        ["64", "2", "min"],
        ["confirm", "20", "64"],
    ]
    assert "1,600 MB" in rows[1]
    assert "30 s to 2 min" in rows[2], "a quarter of the budget, and all of it"
    assert "the search serves optimisation" in text, "the demo has a sampler and asha"
    assert "30 min to 60 min with 2 trials at a time" in text
    assert "at most 1,234 MB, of which 56 MB remain" in text
    assert "at most 3,456 MB of checkpoints are written in all, 12.0 MB each" in text
    assert "2.00 to 4.00" in text
    assert "whole" not in text
    small = read_study_file(DEMO, ["training.pairs=40"])
    assert (
        "note:  a budget of 10 pairs trains 64 at batch size 64, since batches are whole"
        in render(small, plan)
    ), "a quarter of 40"
    alike = replace(plan, seconds=(110.0, 125.0), cost=(2.001, 2.002))  # 1.83 and 2.08 min
    lines = [str(line) for line in render(read_study_file(DEMO, []), alike)]
    assert any(line.startswith("time:  about 2 min with 2 trials") for line in lines)
    assert "cost:  about 2.00" in lines


@pytest.mark.parametrize(
    ("ratios", "own", "probed"),
    [
        ([1.0], 0.5, {"mixing_ratio": 1.0}),  # data without translations have no other one
        ([0.0], 0.5, {"mixing_ratio": 0.0}),
        ([0.75, 1.0], 0.5, {"mixing_ratio": 0.75}),
        ([0.0, 1.0], 0.5, {}),
        ([0.0, 0.25], 0.1, {}),
    ],
)
def test_the_probe_takes_a_ratio_that_trials_have(
    tmp_path: Path, ratios: list[float], own: float, probed: dict[str, float]
) -> None:
    file = write(
        tmp_path,
        space={},
        search=None,
        batch={"mixing_ratio": own},
        confirm={"mixing_ratio": ratios, "seeds": 1, "at": {}},
    )
    assert _ratio_of_trials(read_study_file(file, [])) == probed


@pytest.mark.parametrize("content", ["", "{}", '{"phases": ['])
def test_a_damaged_plan_is_named(tmp_path: Path, content: str) -> None:
    assert read_plan(RunFolder(tmp_path)) is None
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(
        InputError, match=r"plan\.json: is damaged .*delete it, and the study goes"
    ):
        read_plan(RunFolder(tmp_path))
