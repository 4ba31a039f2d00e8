import pytest

from tune.readiness.nodes import Node, concurrent_trials, missing
from tune.study.resources import ResourcesConfig

HEAD = Node("a", "head", "10.0.0.1", cpu=2, gpu=0)
SMALL = Node("b", "small", "10.0.0.2", cpu=8, gpu=1)
LARGE = Node("c", "large", "10.0.0.3", cpu=8, gpu=4)


@pytest.mark.parametrize(
    ("node", "cpu", "gpu", "slots"),
    [
        (HEAD, 1, 0, 2),
        (HEAD, 1, 1, 0),
        (SMALL, 3, 0, 2),
        (SMALL, 1, 0.5, 2),
        (SMALL, 1, 0.1, 8),  # ten by the GPU, eight by the CPUs
        (LARGE, 2, 1, 4),
        (LARGE, 4, 1, 2),
    ],
)
def test_a_node_has_as_many_slots_as_its_scarcest_resource_allows(
    node: Node, cpu: int, gpu: float, slots: int
) -> None:
    assert node.slots(ResourcesConfig(cpu=cpu, gpu=gpu)) == slots


def test_processes_of_one_trial_may_run_on_several_nodes() -> None:
    resources = ResourcesConfig(gpu=1, processes=2)
    assert concurrent_trials([HEAD, SMALL, LARGE], resources) == 2  # five GPUs
    assert missing([SMALL, LARGE], ResourcesConfig(gpu=1, processes=5)) == []


def test_a_process_must_fit_on_one_node() -> None:
    resources = ResourcesConfig(cpu=1, gpu=5)
    assert concurrent_trials([SMALL, LARGE], resources) == 1, "at least one, once it can be placed"
    assert missing([SMALL, LARGE], resources) == [
        "1 node (0 of 1 have joined with 1 CPU and 5 GPU)",
        "room for 1 process of a trial (0 of 1 fit, with 1 CPU and 5 GPU each)",
    ]


def test_a_node_that_cannot_run_a_process_does_not_count() -> None:
    assert missing([HEAD, SMALL, LARGE], ResourcesConfig(gpu=1, nodes=3)) == [
        "1 node (2 of 3 have joined with 1 CPU and 1 GPU)"
    ]


def test_nothing_is_missing_if_nodes_and_slots_suffice() -> None:
    assert missing([HEAD, SMALL, LARGE], ResourcesConfig(gpu=1, nodes=2, processes=5)) == []
