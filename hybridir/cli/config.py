"""The command `hybridir config`: what a trial can be told, and a file to begin with.

hybridir config training.temperature              explain a setting, or a section of settings
hybridir config --help-all                        explain all of them
hybridir config --trial > trial.yaml              write a trial's file, which runs as it is
hybridir config --schema > trial.schema.json      write the schema by which editors complete it

A study's file has more settings: python tune/run_sweep.py --help-all, in a checkout.
"""

import difflib
import json
from typing import Annotated

import typer

from hybridir.errors import InputError
from hybridir.runtime.terminal import plain_console

console = plain_console()
_OF_STUDIES = "a study's settings: python tune/run_sweep.py --help-all, in a checkout"


def config(
    name: Annotated[
        str | None,
        typer.Argument(help="A setting or a section, such as training.temperature or batch."),
    ] = None,
    help_all: Annotated[
        bool, typer.Option("--help-all", help="Explain all settings of a trial.")
    ] = False,
    trial: Annotated[
        bool, typer.Option("--trial", help="Print a trial's file, which runs as it is.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of a trial's file.")
    ] = False,
) -> None:
    """Explain the settings of a trial: type, unit, default, legal values, meaning."""
    from hybridir.config import TrialConfig
    from hybridir.config.example import example_trial
    from hybridir.config.reference import as_lines, matching, schema_of, sections

    options = {name or "": name, "--help-all": help_all, "--trial": trial, "--schema": schema}
    wishes = [option for option, is_said in options.items() if is_said]
    if len(wishes) > 1:
        raise InputError(f"{' and '.join(wishes)} cannot be combined; say one of them")
    if trial:
        lines = list(example_trial())
    elif schema:
        lines = [json.dumps(schema_of(TrialConfig), indent=2)]
    else:
        listed = sections(schema_of(TrialConfig))
        chosen = matching(listed, name) if name else listed
        if name and not chosen:
            legal = [place for section in listed for place in section.places]
            legal += [setting.name for section in listed for setting in section.settings]
            near = difflib.get_close_matches(name.rpartition(".")[2], legal, 3)
            raise InputError(
                f"{name}: a trial has no such setting"
                + (f"; near it are {', '.join(near)}" if near else "")
                + f". All of them: hybridir config --help-all; {_OF_STUDIES}"
            )
        lines = list(as_lines(chosen, console.width))
    for line in lines:
        print(line)  # as it is, for files and pipes
