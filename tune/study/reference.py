"""The study file's settings for editors and readers, from its models."""

from hybridir.config.reference import Schema, schema_of
from tune.space.parameters import searchable
from tune.study.file import StudyConfig


def study_schema() -> Schema:
    """The schema of study files; it names the settings that a search may vary."""
    schema = schema_of(StudyConfig)
    space = schema["properties"]["space"]
    space["properties"] = dict.fromkeys(searchable(), space["additionalProperties"])
    return schema
