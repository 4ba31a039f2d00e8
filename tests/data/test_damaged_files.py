"""Damage of every kind: a table or a message, never a traceback, never half a table."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridir.data.declared import XQUAD_R
from hybridir.data.obtain import prepare
from hybridir.data.tabular import load_table
from hybridir.errors import InputError
from tests.data.miniatures import MINIATURES, contents, sha256, write, xquad_r


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, int, int]:
    """What is done to which of the files, and where, in thousandths of it."""
    kind = draw(st.sampled_from(["cut", "flip", "drop a line", "empty", "gone", "swap"]))
    return kind, draw(st.integers(0, 99)), draw(st.integers(0, 999))


def harm(folder: Path, kind: str, which: int, where: int) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = files[which % len(files)]
    body = bytearray(file.read_bytes())
    place = where * len(body) // 1000
    if kind == "cut":
        file.write_bytes(body[:place])
    elif kind == "flip" and body:
        body[place] ^= 1 + where % 255
        file.write_bytes(body)
    elif kind == "drop a line":
        rows = body.split(b"\n")
        file.write_bytes(b"\n".join(rows[: where % len(rows)] + rows[where % len(rows) + 1 :]))
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "gone":
        file.unlink()
    elif kind == "swap":
        file.write_bytes(files[(which + 1) % len(files)].read_bytes())


@pytest.mark.parametrize("name", [*MINIATURES, "xquad-r"])
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wounds=st.lists(damage(), min_size=1, max_size=3))
def test_damaged_files_give_a_table_or_a_message_and_never_half_an_output(
    name: str,
    wounds: list[tuple[str, int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    raw, out = folder / "raw", folder / "out"
    if name == "xquad-r":
        xquad_r(raw)
        # Without checksums, so that the reader itself sees the damage.
        part = dataclasses.replace(XQUAD_R.parts[0], sha256={}, host="hub")
        declaration = dataclasses.replace(XQUAD_R, parts=(part,))
        languages: tuple[str, ...] = ("de", "en")
    else:
        declaration, languages = write(name, raw)
    for wound in wounds:
        harm(raw, *wound)
        if not any(path.is_file() for path in raw.rglob("*")):
            break
    try:
        manifest = prepare(declaration, out, languages=languages, source=raw)
    except InputError as error:
        assert str(error)
        assert contents(out) == {}
    else:
        said = json.loads(manifest.read_text("utf-8"))
        written = {key: body for key, body in contents(out).items() if key != manifest.name}
        assert {key: sha256(body) for key, body in written.items()} == said["outputs"]
        if name != "xquad-r":
            assert load_table(out / f"{declaration.name}.parquet").digest == said["digest"]
