import json
from pathlib import Path

import pytest

from hybridir.cli.main import app
from hybridir.errors import InputError


def export(*arguments: object) -> None:
    app(["export", *map(str, arguments)], standalone_mode=False)


def test_arguments_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="--private needs --push"):
        export(tmp_path, "--out", out, "--private")
    with pytest.raises(InputError, match="expected OWNER/NAME"):
        export(tmp_path, "--out", out, "--push", "mine")
    with pytest.raises(InputError, match="neither a run of a study"):
        export(tmp_path, "--out", out)
    trial = tmp_path / "trial"
    (trial / "encoder").mkdir(parents=True)
    (trial / "result.json").write_text("{}")
    (trial / "config.json").write_text(json.dumps({"seed": -1}))
    with pytest.raises(InputError, match=r"config\.json has 3 problems"):
        export(trial, "--out", out)
    assert list(tmp_path.iterdir()) == [trial]
