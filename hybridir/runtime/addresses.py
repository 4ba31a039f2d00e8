"""Addresses of servers without the password that a user wrote into them.

An address is shown, stored and sent on; a password must not be. So the user and password of an
address move to the variables that MLflow's client reads, before anything else sees the address.
"""

import os
import re
from urllib.parse import unquote

_ADDRESS = "MLFLOW_TRACKING_URI"
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
# A password may hold what an address would have to quote, so that behind a user and a colon
# everything up to the last @ is one: rather too much is taken off than a part of it shown.
_CREDENTIALS = re.compile(r"(?<=//)(?P<user>[^/?#\s:@]*)(:(?P<password>[^\s\"'<>]*))?@")
REMEDY = f"set {_USER} and {_PASSWORD} on the driver and every node instead"


def tracking_address(configured: str | None, default: str) -> str:
    """Choose MLflow's address, without user and password.

    They move to ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD`` of this process and
    of those that it starts, and leave ``MLFLOW_TRACKING_URI``.

    Args:
        configured: address from a setting or an option; None takes ``MLFLOW_TRACKING_URI``.
        default: address where neither is there.
    """
    if address := os.environ.get(_ADDRESS):
        os.environ[_ADDRESS] = _keep_apart(address)
    return _keep_apart(configured) if configured else os.environ.get(_ADDRESS) or default


def without_password(text: str) -> str:
    """Take user and password off every address in a text.

    >>> without_password("https://me:secret@tracking.example:5000/path is away")
    'https://tracking.example:5000/path is away'
    """
    return _CREDENTIALS.sub("", text)


def has_password(address: str) -> bool:
    """Whether an address names a user or a password."""
    return _CREDENTIALS.search(address) is not None


def _keep_apart(address: str) -> str:
    found = _CREDENTIALS.search(address)
    if found is None:
        return address
    for variable, value in ((_USER, found["user"]), (_PASSWORD, found["password"])):
        if value is not None:
            os.environ[variable] = unquote(value)
    return without_password(address)
