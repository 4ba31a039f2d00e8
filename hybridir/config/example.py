"""A whole configuration of a trial as a file to begin with, in which every setting stands."""

from collections.abc import Iterator
from typing import Any, Final

from hybridir.config.reference import schema_of, sections, value_text
from hybridir.config.trial import TrialConfig

SCHEMA_FILE: Final = "trial.schema.json"
# What differs from the defaults, and one setting of each other section, so that its line stands
# there. On two cores the trial takes less than a minute.
_CHOSEN: dict[str, dict[str, Any]] = {
    "data": {
        "train": "{synthetic: {languages: 3, entities: 60}}",
        "report_on": "[synthetic-test]",
    },
    "encoder": {"from_scratch": "{layers: 2, hidden_size: 64, intermediate_size: 128}"},
    "batch": {"mixing_ratio": 0.5, "batch_size": 64},
    "training": {"pairs": 3200, "learning_rate": 3e-3},
    "evaluation": {"memory_mb": 2048},
    "": {"seed": 0},
}


def example_trial() -> Iterator[str]:
    """Write a trial's file line by line.

    It trains a small encoder on the embedded corpus. Settings that begin with ``#`` alone have the
    value shown; a blank behind ``#`` marks a remark.
    """
    yield f"# yaml-language-server: $schema={SCHEMA_FILE}"
    yield "# One trial: an encoder that is trained and evaluated once."
    yield "#     hybridir data show trial.yaml            count its data"
    yield "#     hybridir train trial.yaml runs/first     train and evaluate it"
    yield f"#     hybridir config --schema > {SCHEMA_FILE}     let an editor complete this file"
    yield "# Settings behind a # have the value that is shown. hybridir config NAME explains one."
    by_place = {section.places[0]: section for section in sections(schema_of(TrialConfig))}
    for place, chosen in _CHOSEN.items():
        yield ""
        indent = "  " if place else ""
        if place:
            yield f"{place}:"
        for setting in by_place[place].settings:
            if not place and setting.name in _CHOSEN:
                continue
            value = setting.default.replace("none", "[]")
            line = f"{indent}#{setting.name}: {value}"
            if setting.name in chosen:
                line = f"{indent}{setting.name}: {value_text(chosen[setting.name])}"
            facts = [setting.legal.replace("`", ""), setting.unit and f"unit: {setting.unit}"]
            remark = "; ".join(filter(None, facts))
            yield f"{line:<30}  # {remark}" if remark else line
