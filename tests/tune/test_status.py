import io
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from hybridir import names
from tune.folders import Outcome, RunFolder
from tune.status import show_status


def shown(folder: RunFolder) -> str:
    out = io.StringIO()
    show_status(folder, Console(file=out, width=120))
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run-001")


def test_before_the_first_trial_there_is_nothing_to_tell(folder: RunFolder) -> None:
    assert "not finished; no trial yet" in shown(folder)


def test_trials_are_counted_by_state_and_running_ones_have_their_step(folder: RunFolder) -> None:
    folder.trial("search-000").settle(Outcome(names.COMPLETE, {}))
    folder.trial("search-001").settle(Outcome(names.PRUNED, {}))
    progress = {"step": 30, "steps": 120, "host": "node-1"}
    folder.trial("search-002").write("progress.json", progress)
    folder.trial("search-003").write("config.json", {})
    text = shown(folder)
    assert "1 COMPLETE, 1 PRUNED, 1 running, 1 waiting" in text
    assert "search-002: step 30 of 120 (25%) on node-1" in text


def test_a_failure_is_shown_with_its_host_and_reason(folder: RunFolder) -> None:
    folder.trial("search-000").settle(Outcome(names.FAIL, {}, "step 3: loss nan", "node-2"))
    assert "search-000: FAIL on node-2: step 3: loss nan" in shown(folder)


def test_a_finished_study_says_so(folder: RunFolder) -> None:
    folder.finish()
    assert ": finished;" in shown(folder)


def test_the_curve_holds_mean_and_t_interval_over_seeds(folder: RunFolder) -> None:
    values = [0.40, 0.50, 0.60]
    for seed, value in enumerate(values):
        metrics = {"xquad-r/map_monolingual": value, "dev/map_monolingual": 0.999}
        folder.trial(f"confirm-a0.5-s{seed}").settle(Outcome(names.COMPLETE, metrics))
    failed = Outcome(names.FAIL, {"xquad-r/map_monolingual": 0.1})
    folder.trial("confirm-a0.5-s3").settle(failed)
    # 95 % t interval of three values: t(2 degrees) * standard deviation / sqrt(3).
    half = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / math.sqrt(3)
    text = shown(folder)
    assert f"0.500 ± {half:.3f}" in text
    assert "0.999" not in text, "the development benchmark is not reported"
