"""The steps before the first trial: data, Ray, nodes, preflight."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from hybridir.errors import InputError
from hybridir.runtime.files import check_folder
from tune.forecast.estimate import Plan, estimated_needs
from tune.readiness.cluster import check_resources, start_ray
from tune.readiness.inputs import Inputs, check_study
from tune.readiness.nodes import Node, concurrent_trials, wait_for_nodes
from tune.readiness.preflight import Preflight, check_nodes
from tune.readiness.tracking_probe import store_problem
from tune.record.address import database_file
from tune.searching.warm_start import find_source
from tune.study.file import StudyConfig

Say = Callable[[str], None]


@dataclass(frozen=True)
class Launched:
    """A study whose first trial can start.

    Attributes:
        inputs: its data and encoder.
        nodes: the nodes of the cluster.
    """

    inputs: Inputs
    nodes: list[Node]


@contextmanager
def launch(study: StudyConfig, say: Say) -> Iterator[Launched]:
    """Check the data, start or join Ray, and wait for the nodes; Ray ends with the context.

    Args:
        study: the settings.
        say: prints a line while nodes are missing.

    Raises:
        InputError: if the study cannot run. Nothing is written.
    """
    check_folder("storage", study.storage)
    check_resources(study)
    if study.search and study.search.warm_start:
        find_source(study.storage, study.search.warm_start)
    inputs = check_study(study)
    start_ray()
    # After Ray, which installs a handler of its own: SIGTERM is handled like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield Launched(inputs, wait_for_nodes(study.resources, say))
    finally:
        ray.shutdown()


def prepare_tracking(uri: str) -> None:
    """Create a new MLflow database, and write to it, before the first trial.

    Args:
        uri: MLflow tracking URI.

    Raises:
        InputError: if it cannot be written to.
    """
    path = database_file(uri)
    if path and not path.exists() and (problem := store_problem(uri).text):
        raise InputError(f"tracking: {problem}")


def run_preflight(
    study: StudyConfig, launched: Launched, uri: str, plan: Plan | None
) -> Preflight:
    """Check every node.

    Args:
        study: the settings.
        launched: data and nodes.
        uri: MLflow tracking URI.
        plan: plan of an earlier start, whose measured needs are used; None estimates them.
    """
    at_a_time = concurrent_trials(launched.nodes, study.resources)
    return check_nodes(
        study,
        launched.nodes,
        tracking_uri=uri,
        training_digest=launched.inputs.training_digest,
        needs=plan.needs if plan else estimated_needs(study, launched.inputs, at_a_time),
    )
