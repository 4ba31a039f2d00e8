"""What comes before the first trial: the data, Ray, the nodes, the preflight."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from tune.forecast.estimate import Plan, estimated_needs
from tune.readiness.cluster import check_resources, start_ray
from tune.readiness.inputs import Inputs, check_study
from tune.readiness.nodes import Node, trials_at_a_time, wait_for_nodes
from tune.readiness.preflight import Preflight, preflight
from tune.record.tracking import tracking_uri
from tune.searching.warm_start import find_source
from tune.study.file import StudyConfig

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """A study that can begin.

    Attributes:
        inputs: its data.
        nodes: the machines that are there for it.
    """

    inputs: Inputs
    nodes: list[Node]


@contextmanager
def ready(study: StudyConfig, say: Say) -> Iterator[Ready]:
    """Check the data, start or join Ray, and wait for the nodes; Ray ends with the context.

    Args:
        study: the settings.
        say: is told what is waited for.

    Raises:
        InputError: if the study cannot run. Nothing is written.
    """
    check_resources(study)
    if study.search and study.search.warm_start:
        find_source(study.storage, study.search.warm_start)
    inputs = check_study(study)
    start_ray()
    # After Ray, which sets a handler of its own: who asks to stop is obeyed like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield Ready(inputs, wait_for_nodes(study.resources, say))
    finally:
        ray.shutdown()


def inspect(study: StudyConfig, there: Ready, known: Plan | None) -> Preflight:
    """Look at every node.

    Args:
        study: the settings.
        there: data and nodes.
        known: the plan of an earlier start, whose measured needs are taken.
    """
    at_a_time = trials_at_a_time(there.nodes, study.resources)
    return preflight(
        study,
        there.nodes,
        tracking_uri=tracking_uri(study.tracking_uri),
        training_digest=there.inputs.training_digest,
        needs=known.needs if known else estimated_needs(study, there.inputs, at_a_time),
    )
