import pytest

from tune.readiness.nodes import Node, missing, trials_at_a_time
from tune.study.resources import ResourcesConfig

HEAD = Node("a", "head", "10.0.0.1", cpu=2, gpu=0)
SMALL = Node("b", "small", "10.0.0.2", cpu=8, gpu=1)
LARGE = Node("c", "large", "10.0.0.3", cpu=8, gpu=4)


@pytest.mark.parametrize(
    ("node", "cpu", "gpu", "places"),
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
def test_a_node_has_as_many_places_as_its_scarcest_resource(
    node: Node, cpu: int, gpu: float, places: int
) -> None:
    assert node.places(ResourcesConfig(cpu=cpu, gpu=gpu)) == places


def test_processes_of_one_trial_may_lie_on_several_nodes() -> None:
    asked = ResourcesConfig(gpu=1, processes=2)
    assert trials_at_a_time([HEAD, SMALL, LARGE], asked) == 2  # five GPUs
    assert missing([SMALL, LARGE], ResourcesConfig(gpu=1, processes=5)) == []


def test_a_process_must_fit_on_one_node() -> None:
    asked = ResourcesConfig(cpu=1, gpu=5)
    assert trials_at_a_time([SMALL, LARGE], asked) == 1, "one at least, once it can be placed"
    assert missing([SMALL, LARGE], asked) == [
        "1 node (0 of 1 are here that offer 1 CPU and 5 GPU)",
        "room for 1 process of a trial (0 of 1 fit, with 1 CPU and 5 GPU each)",
    ]


def test_a_node_that_can_run_nothing_does_not_count_as_one_that_was_expected() -> None:
    assert missing([HEAD, SMALL, LARGE], ResourcesConfig(gpu=1, nodes=3)) == [
        "1 node (2 of 3 are here that offer 1 CPU and 1 GPU)"
    ]


def test_nothing_is_missing_where_nodes_and_places_suffice() -> None:
    assert missing([HEAD, SMALL, LARGE], ResourcesConfig(gpu=1, nodes=2, processes=5)) == []
