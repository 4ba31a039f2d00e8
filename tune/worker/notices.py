"""Where notices to a worker come from: SIGTERM, the driver, and a cloud that takes its machine.

The driver writes its id to a file in the study's folder, which all nodes see. A machine of AWS
that was bid for learns two minutes ahead that it is taken away, from an address of its own network
that `METADATA` names; see
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
Not covered: a trial of several processes hears of the first one's machine alone.
"""

import os
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

from hybridir.runtime import notice

METADATA = "HYBRIDIR_SPOT_METADATA"
"""Variable with the address of the cloud's metadata, http://169.254.169.254 on AWS."""

_POLL_SECONDS = 5.0  # as AWS advises
_ANSWER_SECONDS = 2.0
_TOKEN_SECONDS = "21600"


class Heedful:
    """Mixin of Ray's trainable, whose `setup` runs in the worker's main thread."""

    def setup(self, config: dict[str, object]) -> None:
        """Heed notices, then set up as Ray does."""
        heed()
        super().setup(config)  # type: ignore[misc]


def heed() -> None:
    """Heed SIGTERM and the cloud in this process, once."""
    notice.listen()
    address = os.environ.get(METADATA)
    if address and not any(thread.name == METADATA for thread in threading.enumerate()):
        threading.Thread(target=_watch, args=(address,), name=METADATA, daemon=True).start()


def ask_trials(request: Path, driver: str) -> None:
    """Ask all trials of a driver for a checkpoint.

    Args:
        request: file in the study's folder.
        driver: id of the driver, so that trials of a later one do not heed it.
    """
    request.write_text(driver)


def is_asked(request: Path, driver: str) -> bool:
    """Whether the driver of a trial asked for a checkpoint."""
    try:
        return bool(driver) and request.read_text() == driver
    except OSError:
        return False


def _watch(address: str) -> None:
    while not is_taken(address):
        time.sleep(_POLL_SECONDS)
    notice.ask()


def is_taken(address: str) -> bool:
    """Whether the cloud will take this machine; False too where nothing answers.

    Args:
        address: address of the metadata.
    """
    token = Request(
        f"{address}/latest/api/token",
        method="PUT",
        headers={"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS},
    )
    try:
        with urlopen(token, timeout=_ANSWER_SECONDS) as answer:
            headers = {"X-aws-ec2-metadata-token": answer.read().decode()}
        action = Request(f"{address}/latest/meta-data/spot/instance-action", headers=headers)
        with urlopen(action, timeout=_ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):  # among them HTTPError: 404 until it is decided
        return False
