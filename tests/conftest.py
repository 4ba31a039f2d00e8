"""What tests of several modules share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Machines differ in speed, and no test here is about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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
