"""The command `hybridir export`: writes a trained encoder to a folder for others.

hybridir export results/demo/run-001 --out my-encoder
hybridir export results/demo/run-001 --trial confirm-a0.5-s0 --out my-encoder
hybridir export results/demo/run-001 --out my-encoder --push OWNER/NAME --private
"""

from pathlib import Path
from typing import Annotated

import typer

from hybridir.errors import InputError
from hybridir.runtime.commands import script
from hybridir.runtime.files import check_folder
from hybridir.runtime.startup import quieten_dependencies
from hybridir.runtime.terminal import plain_console

console = plain_console()


def export(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Run of a study (results/STUDY/run-001), for its best encoder, or a trial."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the export.")],
    trial: Annotated[str | None, typer.Option(help="Name of another trial of the run.")] = None,
    license_id: Annotated[
        str | None,
        typer.Option("--license", help="The licence, as the hub's id, such as apache-2.0."),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Upload to this repository."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Create that repository as private.")
    ] = False,
) -> None:
    """Copy a trained encoder to a folder, with a model card that shows its study's results.

    sentence-transformers loads the folder. Nothing leaves this machine without --push.
    """
    from hybridir.export.push import check_repository, push_folder
    from hybridir.export.select import choose_trial

    if private and push is None:
        raise InputError("--private needs --push OWNER/NAME: add it, or leave --private out")
    if push is not None:
        check_repository(push)  # before anything is written
    check_folder(f"--out {out}: its folder", out.absolute().parent)  # the copy begins beside it
    chosen = choose_trial(folder, trial)
    quieten_dependencies()
    from hybridir.export.folder import write_export  # torch, only where it is needed
    from hybridir.export.provenance import read_facts

    facts = read_facts(chosen)
    name = push.rpartition("/")[2] if push else out.resolve().name
    write_export(chosen, facts, out, name=name, license_id=license_id)
    _say(f"exported {chosen} to {out}; the copy gives the same vectors")
    if not facts.config.data.report_on:
        _say(
            "note: no benchmark is named under report_on, so the card has development figures "
            "alone, which are no result. Name a benchmark and train again, or score this encoder: "
            f"hybridir evaluate {out} --benchmark xquad-r --data-root DATA"
        )
    elif facts.study and not any(score.seed_mean for score in facts.scores):
        run = f"{facts.study}@{chosen.parent.parent.name}"
        _say(
            "note: the run has no report, so the card has no intervals; to add them, run "
            f"{script('analysis/report.py', run)}, then export again"
        )
    if push:
        _say(f"pushed: {push_folder(out, push, private=private)}")


def _say(line: str) -> None:
    console.print(line, soft_wrap=True)
