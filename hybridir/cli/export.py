"""The command `hybridir export`: a trained encoder as a folder for others.

hybridir export results/demo/run-001 --out my-encoder
hybridir export results/demo/run-001 --trial confirm-a0.5-s0 --out my-encoder
hybridir export results/demo/run-001 --out my-encoder --push OWNER/NAME --private
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hybridir.errors import InputError
from hybridir.runtime.startup import quieten_dependencies

console = Console()


def export(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Run of a study (results/STUDY/run-001), whose best encoder is meant, or a trial."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    trial: Annotated[
        str | None, typer.Option(help="Another trial of the run, by its name.")
    ] = None,
    license_id: Annotated[
        str | None,
        typer.Option("--license", help="Its licence, by the hub's id, such as apache-2.0."),
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to this repository.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make that repository a private one.")
    ] = False,
) -> None:
    """Copy a trained encoder, with a card that carries its study's figures.

    sentence-transformers loads the folder. Nothing leaves this machine without --push.
    """
    from hybridir.export.push import check_name, push_folder
    from hybridir.export.select import choose

    if private and push is None:
        raise InputError("--private belongs to --push OWNER/NAME")
    if push is not None:
        check_name(push)  # before anything is written
    chosen = choose(folder, trial)
    quieten_dependencies()
    from hybridir.export.folder import write_export  # torch, only where it is needed
    from hybridir.export.provenance import read_facts

    facts = read_facts(chosen)
    name = push.rpartition("/")[2] if push else out.resolve().name
    write_export(chosen, facts, out, name=name, license_id=license_id)
    _say(f"exported {chosen} to {out}; same vectors as its source")
    if facts.study and not any(figure.curve for figure in facts.figures):
        _say(
            "note: the run has no report, so the card has no intervals; "
            f"python analysis/report.py {facts.study} makes it"
        )
    if push:
        _say(f"pushed: {push_folder(out, push, private=private)}")


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
