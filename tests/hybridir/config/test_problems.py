"""pydantic's errors in words of the settings."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from hybridir.config.problems import problems_of


class Inner(BaseModel):
    size: int


class Settings(BaseModel):
    """Settings whose fields are unions, as pydantic reads them without a strict mode."""

    either: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    values: dict[str, bool | int | float] | Literal["best"] = "best"
    several: str | tuple[str, ...] = ()
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"either": "x"}, "either='x': should be 'auto' or a whole number"),
        ({"either": -1}, "either=-1: should be 'auto' or at least 1"),
        ({"several": 3}, "several=3: should be text or a list"),
        ({"values": 3}, "values=3: should be settings, 'name: value' each or 'best'"),
        (
            {"values": {"a": [1]}},
            "values.a=[1]: should be true or false, a whole number or a number",
        ),
        ({"inner": {}}, "inner.size: is needed"),
        ({"inner": {"size": None}}, "inner.size=None: input should be a valid integer"),
    ],
)
def test_a_mistake_in_a_union_is_one_line(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)
    assert problems_of(caught.value, Settings) == [expected]
