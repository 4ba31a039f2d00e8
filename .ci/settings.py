"""Writes the reference of all settings: docs/settings.md, and the schemas in docs/schema/.

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


def documents() -> Iterator[tuple[Path, str]]:
    """Yield each file of the reference, and its content."""
    study, trial = study_schema(), schema_of(TrialConfig)
    for name, schema in (("study", study), ("trial", trial)):
        yield ROOT / "docs" / "schema" / f"{name}.json", json.dumps(schema, indent=1) + "\n"
    of_study = sections(study)
    known = {section.settings for section in of_study}
    of_trial = [section for section in sections(trial) if section.settings not in known]
    yield ROOT / "docs" / "settings.md", "\n".join((_HEADING, *_page(of_study, of_trial)))


def _page(of_study: list[Section], of_trial: list[Section]) -> Iterator[str]:
    yield "## A study"
    yield ""
    yield from as_markdown(of_study)
    yield "## A trial"
    yield ""
    yield "A trial has the sections `encoder`, `batch`, `training` and `evaluation` of a study,"
    yield "and under `data` what stands at the top of a study's file, from `train` to `data_part`."
    yield "`hybridir config --trial` prints a whole file."
    yield ""
    yield from as_markdown(of_trial)


if __name__ == "__main__":
    for path, text in documents():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.rstrip("\n") + "\n")
        print(path.relative_to(ROOT))
