import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util import placement_group_table
from rich.console import Console

from hybridir.errors import InputError
from tests.support.tiny import ROOT, settings
from tune.forecast.estimate import estimated_needs
from tune.forecast.plan import measure_plan
from tune.readiness.checks import TRACKING, Needs
from tune.readiness.inputs import check_study
from tune.readiness.nodes import alive_nodes, wait_for_nodes
from tune.readiness.preflight import check_nodes
from tune.study.file import StudyConfig
from tune.study.resources import ResourcesConfig

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray")]

ENOUGH = Needs(disk_mb=1.0, cache_mb=1.0, process_mb=1.0, origin="for a test")


def small_study(tmp_path: Path, **changes: Any) -> StudyConfig:
    base = settings()
    return StudyConfig.model_validate(
        {
            "name": "small",
            **base.pop("data"),
            **base,
            "confirm": {"mixing_ratio": [0.5], "at": {"batch_size": 32}, "seeds": 3},
            "storage": tmp_path / "storage",
        }
        | changes
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head without CPUs and a node of two, to which a test adds one with another checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))  # Ray adds it to the nodes' path
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        cluster.add_node(num_cpus=2)
        ray.init(address=cluster.address, logging_level=logging.ERROR, log_to_driver=False)
        yield cluster
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def test_pain_16_after_the_wait_an_error_names_missing_nodes_and_the_remedy(
    cluster: Cluster,
) -> None:
    with pytest.raises(InputError) as error:
        wait_for_nodes(ResourcesConfig(nodes=9, wait_minutes=0), print)
    assert "missing: 8 nodes (1 of 9 have joined with 1 CPU)" in str(error.value)
    assert "with 2 CPU and 0 GPU" in str(error.value), "the node that has joined"
    assert "ray status" in str(error.value)
    with pytest.raises(InputError, match="0 of 1 fit, with 1 CPU and 1 GPU each"):
        wait_for_nodes(ResourcesConfig(gpu=1, wait_minutes=0), print)


def test_a_node_that_joins_late_is_requested_and_awaited(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    messages: list[str] = []
    requests: list[dict[str, Any]] = []
    edited = tmp_path_factory.mktemp("edited")
    for package in ("hybridir", "tune"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, edited / package, ignore=ignore)
    (edited / "hybridir" / "errors.py").open("a").write("# edited\n")

    def join(text: str) -> None:
        messages.append(text)
        requests.extend(placement_group_table().values())
        cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(edited)})

    nodes = wait_for_nodes(ResourcesConfig(nodes=2, wait_minutes=2), join)
    assert sorted(node.cpu for node in nodes) == [0, 1, 2]
    assert messages[0].startswith("waiting for 1 node (1 of 2 have joined with 1 CPU); joined: ")
    # An autoscaler sees two bundles on different nodes, of which one does not exist yet.
    assert [(r["state"], r["strategy"]) for r in requests] == [("PENDING", "STRICT_SPREAD")]
    assert {d["state"] for d in placement_group_table().values()} == {"REMOVED"}


def test_every_node_is_checked_and_one_with_other_code_is_refused(
    cluster: Cluster, tmp_path: Path
) -> None:
    study = small_study(tmp_path)
    preflight = check_nodes(
        study,
        alive_nodes(),
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        training_digest="",
        needs=ENOUGH,
    )
    assert len(preflight.states) == 3
    assert {check.subject for check in preflight.checks if check.problem} == {"code"}
    with pytest.raises(InputError) as error:
        preflight.refuse_problems()
    assert str(error.value).count("hybridir: other files than on the driver") == 1
    assert "tune:" not in str(error.value)
    with pytest.raises(InputError, match="measured on a"):
        preflight.refuse_shortage(replace(ENOUGH, process_mb=1e9, origin="measured on a"))
    console = Console(record=True, width=120)
    console.print(preflight.table())
    assert console.export_text().count("PROBLEM") == 1
    assert not study.storage.exists(), "the probe files are deleted"


def test_wrong_tracking_and_too_little_disk_are_reported_in_one_message(
    cluster: Cluster, tmp_path: Path
) -> None:
    driver = ray.get_runtime_context().get_node_id()
    preflight = check_nodes(
        small_study(tmp_path),
        [node for node in alive_nodes() if node.id == driver],
        tracking_uri="./mlruns",
        training_digest="",
        needs=replace(ENOUGH, disk_mb=1e12),
    )
    with pytest.raises(InputError, match=r"tracking: ./mlruns(.|\n)*disk: .* MB free"):
        preflight.refuse_problems()
    # A resumed study need not wait for its tracking server, but MLflow will never take a folder.
    with pytest.raises(InputError, match=r"tracking: ./mlruns"):
        preflight.without_tracking().refuse_problems()
    away = replace(preflight.checks[1], problem="away", passes=True)
    assert away.subject == TRACKING
    resumed = replace(preflight, checks=(away,)).without_tracking()
    resumed.refuse_problems()
    assert "tracking: away" in resumed.warnings[0]


def test_a_plan_is_measured_on_a_node_that_runs_trials(cluster: Cluster, tmp_path: Path) -> None:
    study = small_study(tmp_path, resources={"cpu": 2, "hourly_price": 1.0})
    inputs = check_study(study)
    nodes = alive_nodes()
    assert estimated_needs(study, inputs, 1).process_mb > 400
    plan = measure_plan(study, inputs, nodes)
    assert plan.at_a_time == 1  # of three nodes one has two CPUs
    assert [(phase.phase, phase.trials) for phase in plan.phases] == [("confirm", 3)]
    assert [point.batch_size for point in plan.points] == [32]
    assert plan.points[0].train_seconds
    assert plan.startup_seconds > 0
    assert (tmp_path / "storage" / "cache").is_dir(), "prepared for the trials"
