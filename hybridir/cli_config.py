"""The configuration that commands take: a YAML file with the settings of one trial."""

from pathlib import Path
from typing import Annotated

import typer

from hybridir.config import TrialConfig
from hybridir.errors import InputError
from hybridir.settings import checked, parsed

ConfigFile = Annotated[Path, typer.Argument(help="YAML file with the settings of one trial.")]


def read_trial(path: Path) -> TrialConfig:
    """Read one trial's settings.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return checked(TrialConfig, parsed(text, str(path)), str(path))
