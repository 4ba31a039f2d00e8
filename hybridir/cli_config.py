"""The configuration that commands take: a YAML file with the settings of one trial."""

from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from hybridir.config import TrialConfig, describe_problems
from hybridir.errors import InputError

ConfigFile = Annotated[Path, typer.Argument(help="YAML file with the settings of one trial.")]


def read_trial(path: Path) -> TrialConfig:
    """Read one trial's settings.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return TrialConfig.model_validate(content)
    except ValidationError as error:
        raise describe_problems(str(path), error) from None
