"""Addresses of servers without the secrets that a user wrote into them.

An address is shown, stored and sent on; a password must not be. So the user and password of an
address move to the variables that MLflow's client reads, before anything else sees the address,
and one with a token in its query is refused: that client takes no query.
"""

import os
import re
from urllib.parse import unquote

from hybridir.errors import InputError

_ADDRESS = "MLFLOW_TRACKING_URI"
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
REMEDY = (
    f"set {_USER} and {_PASSWORD}, or MLFLOW_TRACKING_TOKEN, on the driver and every node instead"
)
# A password may hold what an address would have to quote, so that behind a user and a colon
# everything up to the last @ is one: rather too much is taken off than a part of it shown.
_CREDENTIALS = re.compile(
    r"(?P<scheme>\s*([a-z][\w+.-]*:)?//)?+(?P<user>[^/?#:@]*)(:(?P<password>.*))?@",
    re.IGNORECASE | re.DOTALL,
)
# The same within a text, where an address ends with a blank or a quote. Without a scheme it is one
# that has a user and a password.
_IN_TEXT = re.compile(
    r"""((?<=//)[^/?#\s:@]*(:[^\s"'<>]*)?"""
    r"""|(?<![^\s"'<>=,;([{])[^/?#\s:@"'<>=,;([{]+:(?!//)[^\s"'<>]*)@"""
)
# Of these parameters of databases alone is known that they hold no secret.
_HARMLESS = "cache|check_same_thread|host|isolation_level|mode|port|sslmode|timeout|uri"
_NAME = r"""[?&#][^\s"'<>=?&#]*="""
_PARAMETER = re.compile(rf"""(?![?&#]({_HARMLESS})=)({_NAME})((?!{_NAME})[^\s"'<>])+""")
# Behind a server's address, where no name tells.
_TAIL = re.compile(r"""(https?://[^\s"'<>#;?]*[#;])(?![^\s"'<>]*=)[^\s"'<>]+""", re.IGNORECASE)
# A profile of Databricks, or the names of a secret.
_PROFILE = re.compile(r"""(?<=databricks)((-uc)?://)[^\s"'<>]+""")


def tracking_address(configured: str | None, default: str) -> str:
    """Choose MLflow's address, without user and password.

    They move to ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD`` of this process and
    of those that it starts, and leave ``MLFLOW_TRACKING_URI``.

    Args:
        configured: address from a setting or an option; None takes ``MLFLOW_TRACKING_URI``.
        default: address where neither is there.

    Raises:
        InputError: if the address has a query or a fragment that may hold a secret.
    """
    if address := os.environ.get(_ADDRESS):
        os.environ[_ADDRESS] = _keep_apart(address)
    return _keep_apart(configured) if configured else os.environ.get(_ADDRESS) or default


def without_secrets(text: str) -> str:
    """Take user and password off every address in a text, and the values of its query.

    >>> without_secrets("https://me:secret@tracking.example:5000/path?token=secret is away")
    'https://tracking.example:5000/path?token=... is away'
    """
    shown = _PARAMETER.sub(r"\2...", _IN_TEXT.sub("", text))
    return _PROFILE.sub(r"\1...", _TAIL.sub(r"\1...", shown))


def has_secret(address: str) -> bool:
    """Whether an address names a user or a password, or has a part that may hold a secret."""
    patterns = (_PARAMETER, _TAIL)
    return bool(_CREDENTIALS.match(address) or any(part.search(address) for part in patterns))


def _keep_apart(address: str) -> str:
    if credentials := _CREDENTIALS.match(address):
        for variable, name in ((_USER, "user"), (_PASSWORD, "password")):
            if (value := credentials[name]) is not None:
                os.environ[variable] = unquote(value)
        address = (credentials["scheme"] or "") + address[credentials.end() :]
    if has_secret(address):
        server = without_secrets(re.split("[?#;]", address)[0])
        raise InputError(
            f"tracking: what follows {server} in the address may hold a secret, and a server "
            f"takes nothing there; {REMEDY}"
        )
    return address
