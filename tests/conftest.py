"""What tests of several modules share."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings

# Ray gives way to everything else: beside other tests a study of 18 seconds took 380.
os.environ.setdefault("RAY_worker_niceness", "0")

# Machines differ in speed, and no test here is about time. Other examples are drawn in every run.
settings.register_profile("untimed", deadline=None, max_examples=50)
settings.load_profile("untimed")

# What the tests import, some two million objects, the garbage collector need not walk through: it
# would for a second, whenever a trial that is tested gives its memory back.
gc.disable()

# Groups that take longest start first, in this order, so that all workers end at about one time.
_LONGEST = [
    *("study", "hosts", "analysis", "tracking", "cluster", "ray", "real text"),
    "tests/tune/readiness/test_tracking_probe",
    *("processes", "tests/hybridir/trial/test_run", "tests/end_to_end/test_continuation"),
    *("tests/hybridir/integrations/test_training", "tests/hybridir/training/test_loop"),
    *("tests/deploy/test_aws", "tests/tune/test_run_sweep"),
    *("tests/hybridir/retrieval/test_encode", "tests/hybridir/integrations/test_evaluator"),
    *("tests/hybridir/cli/test_evaluate", "tests/hybridir/batches/test_plan"),
]


class _Examples:
    """A file without an example has none to run: it is not imported in search of one."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        collectors = yield
        if file_path.suffix == ".py" and b">>> " not in file_path.read_bytes():
            return [one for one in collectors if not isinstance(one, DoctestModule)]
        return collectors


def pytest_configure(config: pytest.Config) -> None:
    # Hooks of this file itself would see the files of tests/ alone.
    config.pluginmanager.register(_Examples())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one worker, where they share what they set up."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            name = item.path.relative_to(config.rootpath).with_suffix("").as_posix()
            shared = name.startswith(("analysis/", "tests/analysis/"))
            item.add_marker(pytest.mark.xdist_group("analysis" if shared else name))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None, "every test has one"
    group = marker.args[0]
    return _LONGEST.index(group) if group in _LONGEST else len(_LONGEST)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that holds ``xquad-r/`` and ``mlqa-r/``."""
    given = os.environ.get("HYBRIDIR_DATA")
    root = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    missing = [name for name in ("xquad-r", "mlqa-r") if not (root / name).is_dir()]
    if missing:
        pytest.skip(
            f"{root} holds no {' and no '.join(missing)}: "
            "set HYBRIDIR_DATA to the folder of the published data"
        )
    return root
