"""Writes what follows from the settings: docs/settings.md, docs/trial.md, docs/schema/.

    python .ci/settings.py

They follow from the models; a test compares. Run it after a change of a setting.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hybridir.config import TrialConfig
from hybridir.config.example import example_trial
from hybridir.config.reference import Section, as_markdown, schema_of, sections
from tune.study.reference import study_schema

ROOT = Path(__file__).resolve().parents[1]
_HEADING = """\
# Settings

Everything that a file can say, with type, unit, default and legal values.
This page is made from the models that check the files (`make settings`).
The terminal says the same:

```
hybridir config training.temperature       # one setting of a trial, or a section
hybridir config --help-all                 # all settings of a trial
python tune/run_sweep.py --help-all        # all settings of a study
```

A default of `null` is nothing at all, and what its meaning says.
*settings* are a section with a table of its own.
`[]` behind a name stands for each entry of a list, and `NAME` for each name of a mapping.
A number without a unit is a pure one.

Editors with a YAML language server complete and check a file whose first line names a schema:
[`study.json`](schema/study.json) for studies, [`trial.json`](schema/trial.json) for single trials.
`hybridir config --schema` and `python tune/run_sweep.py --schema` print them as well.
The studies in `tune/studies/` have that line:

```yaml
# yaml-language-server: $schema=../../docs/schema/study.json
```
"""
_TRIAL = """\
# A single training

A trial is one training with its evaluation, without Ray, Optuna or MLflow.
This command writes its file, with every setting in its place:

```
hybridir config --trial > trial.yaml
```

```yaml
{example}
```

As it stands it trains a small encoder on made-up languages, in about a minute.

```
hybridir data show trial.yaml              # count its data
hybridir train trial.yaml runs/first       # train and evaluate it
hybridir config training.temperature       # what a setting means
```

`runs/first` then has `result.json` with all figures, the encoder, the log of the training, and the
scores of every question (`per_query/`).
A second call goes on after an interruption; where the first one was complete, it prints the same.
For several seeds and ratios, and intervals, [a study](study.md) is the way.
"""


def documents() -> Iterator[tuple[Path, str]]:
    """Yield each file of the reference, and its content."""
    study, trial = study_schema(), schema_of(TrialConfig)
    for name, schema in (("study", study), ("trial", trial)):
        yield ROOT / "docs" / "schema" / f"{name}.json", json.dumps(schema, indent=1) + "\n"
    of_study = sections(study)
    known = {section.settings for section in of_study}
    of_trial = [section for section in sections(trial) if section.settings not in known]
    yield ROOT / "docs" / "trial.md", _TRIAL.format(example="\n".join(example_trial()))
    yield ROOT / "docs" / "settings.md", "\n".join((_HEADING, *_page(of_study, of_trial)))


def _page(of_study: list[Section], of_trial: list[Section]) -> Iterator[str]:
    yield "## A study"
    yield ""
    yield from as_markdown(of_study)
    yield "## A trial"
    yield ""
    yield "A trial has the sections `encoder`, `batch`, `training` and `evaluation` of a study,"
    yield "and under `data` what stands at the top of a study's file, from `train` to `data_part`."
    yield "[A whole file](trial.md)."
    yield ""
    yield from as_markdown(of_trial)


if __name__ == "__main__":
    for path, text in documents():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.rstrip("\n") + "\n")
        print(path.relative_to(ROOT))
