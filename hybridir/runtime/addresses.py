"""Addresses of servers without the password that a user wrote into them.

An address is shown, stored and sent on; a password must not be. So the user and password of an
address move to the variables that MLflow's client reads, before anything else sees the address.
"""

import os
import re
from urllib.parse import unquote, urlsplit

_ADDRESS = "MLFLOW_TRACKING_URI"
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_CREDENTIALS = re.compile(r"(?<=//)[^/?#\s]*@")
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
    if not has_password(address):
        return address
    parts = urlsplit(address)
    for variable, value in ((_USER, parts.username), (_PASSWORD, parts.password)):
        if value is not None:
            os.environ[variable] = unquote(value)
    return without_password(address)
