"""The steps before the first trial: data, Ray, nodes, preflight."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import check_folder
from tune.driver.interruption import Interruption
from tune.folders import RunFolder
from tune.forecast.estimate import estimated_needs
from tune.forecast.plan import read_plan
from tune.readiness.cluster import check_resources, leave_ray, running_ray
from tune.readiness.inputs import Inputs, check_same_inputs, check_study
from tune.readiness.nodes import Node, concurrent_trials, wait_for_nodes
from tune.readiness.preflight import Preflight, check_nodes
from tune.readiness.tracking_probe import store_problem
from tune.record.accounting import measure_usage
from tune.record.address import database_file
from tune.searching.warm_start import find_source
from tune.study.file import StudyConfig
from tune.view.progress import planned_trials

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
def launch(
    study: StudyConfig,
    say: Say,
    interruption: Interruption,
    continued: RunFolder | None = None,
) -> Iterator[Launched]:
    """Check the data, start or join Ray, and wait for the nodes; Ray ends with the context.

    Args:
        study: the settings.
        say: prints a line while nodes are missing.
        interruption: hears of signals to stop, and of a Ray that was killed.
        continued: an earlier run that goes on, with the data that it began with.

    Raises:
        InputError: if the study cannot run. Nothing is written.
    """
    check_folder("storage", study.storage)
    check_folder("storage", study.storage / study.name)
    check_resources(study)
    if study.search and study.search.warm_start:
        find_source(study.storage, study.search.warm_start)
    if continued:  # first: what has changed may be what cannot be loaded any more
        check_same_inputs(study, continued)
    inputs = check_study(study)
    with running_ray(interruption.take_over, interruption.tell):
        interruption.leave = leave_ray
        interruption.listen()  # after Ray, which installs a handler of its own
        yield Launched(inputs, wait_for_nodes(study.resources, say))


def prepare_tracking(uri: str) -> None:
    """Create a new MLflow database, and write to it, before the first trial.

    Args:
        uri: MLflow tracking URI.

    Raises:
        InputError: if it cannot be written to.
    """
    path = database_file(uri)
    if path and not path.exists() and (problem := store_problem(uri, artifacts=True).text):
        raise InputError(f"tracking: {problem}")


def run_preflight(
    study: StudyConfig, launched: Launched, uri: str, continued: RunFolder | None = None
) -> Preflight:
    """Check every node.

    Args:
        study: the settings.
        launched: data and nodes.
        uri: MLflow tracking URI.
        continued: an earlier run that goes on: its measured needs are used, less what it has
            written already.
    """
    plan = read_plan(continued) if continued else None
    at_a_time = concurrent_trials(launched.nodes, study.resources)
    needs = plan.needs if plan else estimated_needs(study, launched.inputs, at_a_time)
    if continued:
        ended = sum(trial.outcome is not None for trial in continued.trials())
        written = measure_usage(continued)[names.STUDY_DISK_MB]
        needs = needs.after(min(1.0, ended / sum(planned_trials(study).values())), written)
    return check_nodes(
        study,
        launched.nodes,
        tracking_uri=uri,
        training_digest=launched.inputs.training_digest,
        needs=needs,
    )
