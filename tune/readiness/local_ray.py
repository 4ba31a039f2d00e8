"""Ray on this machine alone: reached over the loopback only, with a token, in a folder of its own.

By itself Ray listens on every address of the machine, and keeps its folders for good. Who reaches
a Ray port without a token runs any program as this user.

Sources: https://docs.ray.io/en/latest/ray-security/token-auth.html and
https://github.com/ray-project/ray/pull/59852 (a server listens on its node's address).
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

_PREFIX = "hybridir-ray-"
_LOCK = "driver.lock"
# Of the 107 letters that a Unix socket's path may have, Ray's own part takes up to 65.
_LONGEST = 42


@contextmanager
def local_options(cpus: int) -> Iterator[dict[str, Any]]:
    """Yield the options of ``ray.init``, whose processes live as long as the context.

    Args:
        cpus: CPUs that Ray may use.
    """
    with _own_folder() as folder, _closed_to_strangers():
        yield {
            # Without an address Ray would join any cluster that runs on this machine.
            "address": "local",
            "num_cpus": cpus,
            "include_dashboard": False,
            # Below, since Ray opens the folder itself to all users.
            "_temp_dir": str(folder / "r"),
        }


@contextmanager
def _closed_to_strangers() -> Iterator[None]:
    """Make Ray listen on the loopback, and ask for a token that this study alone knows.

    The first variable is Ray's way of keeping the firewalls of desktops quiet. Ray reads it when
    it is imported, which was earlier, so its constant is set as well.
    """
    wanted = {
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_AUTH_MODE": "token",
    }
    before = {name: os.environ.get(name) for name in wanted}
    joins_others = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(wanted)
    ray_constants.ENABLE_RAY_CLUSTER = False
    _forget_token()
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = joins_others
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _forget_token()


def _forget_token() -> None:
    """Make Ray read mode and token anew, which it keeps for the life of a process."""
    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")


@contextmanager
def _own_folder() -> Iterator[Path]:
    """Make a folder that this user alone can read, and remove it, and those of killed studies."""
    parent = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    if len(str(parent / f"{_PREFIX}12345678" / "r")) > _LONGEST:
        parent = Path("/tmp")
    for folder in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(folder)
    # Its name comes last, so that no other study finds it before it is locked.
    unlocked = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
    with FileLock(unlocked / _LOCK):
        folder = unlocked.rename(parent / unlocked.name.removeprefix("."))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove the folder of a study that was killed; that of one that runs is locked."""
    try:
        with FileLock(folder / _LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, Timeout):
        pass  # another user's, or in use
