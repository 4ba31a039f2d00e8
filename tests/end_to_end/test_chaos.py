import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hybridir import names
from tests.chaos.__main__ import result_line
from tests.chaos.campaign import Campaign, Disturbed
from tests.chaos.strikes import KINDS, draw_strikes
from tests.chaos.verdict import Reference, compare_study, read_reference
from tune.folders import RunFolder

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("cluster")]

# A seed with few kills of the driver, which takes longest to start.
SEED, KILLS = 6, 6


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A cluster of three nodes that all take trials, and an undisturbed study on it."""
    campaign = Campaign(tmp_path_factory.mktemp("chaos"), ["short"], head_cpus=1)
    try:
        campaign.reference("short")
        yield campaign
    finally:
        campaign.stop()


@pytest.fixture(scope="module")
def undisturbed(campaign: Campaign) -> RunFolder:
    return campaign.undisturbed["short"]


@pytest.fixture(scope="module")
def placed(campaign: Campaign, undisturbed: RunFolder) -> dict[str, str]:
    """The node of each trial."""
    nodes = {pid: node for node, pids in campaign.cluster.workers().items() for pid in pids}
    files = {trial.name: trial.read("attempts.json") for trial in undisturbed.trials()}
    return {name: nodes[file["attempts"][-1]["pid"]] for name, file in files.items() if file}


@pytest.fixture(scope="module")
def disturbed(campaign: Campaign, placed: dict[str, str]) -> list[Disturbed]:
    """Half of the kills meet the default of checkpoints, half one every 3 s."""
    strikes = list(draw_strikes(SEED, KILLS, moments=(0.9, 0.1, 0.0)))
    halves = {"default": strikes[: KILLS // 2], "often": strikes[KILLS // 2 :]}
    return [
        record
        for checkpoints, half in halves.items()
        for record in campaign.run(iter(half), checkpoints)
    ]


def test_a_cluster_of_three_nodes_runs_trials_on_all_of_them(placed: dict[str, str]) -> None:
    assert len(placed) == 5
    assert len(set(placed.values())) == 3, placed


def test_after_random_kills_each_study_equals_an_undisturbed_one(
    disturbed: list[Disturbed],
) -> None:
    faults = [fault for record in disturbed for fault in record.verdict.faults]
    assert faults == []
    expected = f"kills={KILLS} studies={len(disturbed)} lost=0 changed=0 doubled=0 left_running=0"
    assert result_line(disturbed) == expected


def test_every_kind_of_process_was_killed(
    disturbed: list[Disturbed],
) -> None:
    assert {kind for record in disturbed for kind, _ in record.kills} == set(KINDS)


# Tests of the verdict itself: it detects a study that was tampered with.


@pytest.fixture(scope="module")
def server(campaign: Campaign, disturbed: list[Disturbed]) -> MlflowClient:
    return MlflowClient(campaign.server.uri)


@pytest.fixture(scope="module")
def reference(undisturbed: RunFolder, server: MlflowClient) -> Reference:
    return read_reference(undisturbed, "undisturbed-short", server)


def test_a_metric_that_differs_in_its_last_digit_is_detected(
    undisturbed: RunFolder, server: MlflowClient, reference: Reference, tmp_path: Path
) -> None:
    copy = RunFolder(Path(shutil.copytree(undisturbed.path, tmp_path / "run-001")))
    outcome = copy.trial("search-000").read("outcome.json")
    assert outcome is not None
    outcome["metrics"]["dev/map_mean"] += 1e-15
    (copy.path / "trials" / "search-000" / "outcome.json").write_text(json.dumps(outcome))
    assert compare_study(copy, "undisturbed-short", server, reference).faults == [
        ("changed", "folder: search-000"),
        ("changed", "optuna: search-000"),
        ("changed", "mlflow: search-000"),
    ]


def test_a_missing_trial_is_detected(
    undisturbed: RunFolder, server: MlflowClient, reference: Reference, tmp_path: Path
) -> None:
    copy = RunFolder(Path(shutil.copytree(undisturbed.path, tmp_path / "run-001")))
    (copy.path / "trials" / "confirm-a0-s0" / "outcome.json").unlink()
    faults = compare_study(copy, "undisturbed-short", server, reference).faults
    assert ("lost", "folder: confirm-a0-s0") in faults


def test_a_second_run_of_a_trial_that_is_left_running_is_detected(
    undisturbed: RunFolder, server: MlflowClient, reference: Reference
) -> None:
    (first, *_) = server.search_runs(
        [experiment.experiment_id for experiment in server.search_experiments()],
        f"tags.`{names.TAG_TRIAL}` = 'search-001' "
        f"and tags.`{names.TAG_STUDY}` = 'undisturbed-short'",
    )
    server.create_run(first.info.experiment_id, tags=first.data.tags)
    faults = compare_study(undisturbed, "undisturbed-short", server, reference).faults
    assert ("doubled", "mlflow: search-001") in faults
    assert ("left_running", "mlflow: search-001") in faults
