import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from benchmarks import gpu


@pytest.mark.long
def test_each_batch_size_has_a_row_with_the_peer_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    if torch.cuda.is_available():
        pytest.skip("a try at a tiny size, on a CPU")
    monkeypatch.setattr(gpu, "STEPS", {4: 1})
    app = typer.Typer()
    app.command()(gpu.main)
    arguments = ["--batch-size", "4", "--repeats", "1", "--shrink", "12", "--json"]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "gpu.json")])
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "gpu.json").read_text())
    assert row["name"] == "gpu-1x64-bf16-b4"
    assert row["unit"] == "pairs/s"
    assert row["n"] == 1
    assert row["ratio"] == pytest.approx(row["ours"] / row["peer"])
    assert row["floor_share"] > 0
