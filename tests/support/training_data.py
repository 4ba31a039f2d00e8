"""Small training data in files, and the settings that read them."""

import json
from pathlib import Path
from typing import Any

from hybridir.config.trial import DataConfig
from hybridir.data.pairs import Pairs


def write_table(
    folder: Path,
    questions: int = 40,
    languages: tuple[str, ...] = ("de", "en"),
    about: str = "passage",
) -> Path:
    path = folder / "table.jsonl"
    rows = [
        {
            "question_id": f"q{number}",
            "passage_group": f"g{number // 2}",
            "language": language,
            "question": f"{language} question {number}",
            "passage": f"{language} {about} {number // 2}",
        }
        for language in languages
        for number in range(questions)
        if language == "en" or number % 4 < 2  # the other half exists in English only
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def write_benchmark(root: Path, name: str, question_id: str) -> Path:
    folder = root / name
    folder.mkdir()
    qa = {
        "id": question_id,
        "question": "Who?",
        "answers": [{"answer_start": 0, "text": "Ann"}],
    }
    paragraph = {"context": "Ann.", "sentence_breaks": [[0, 4]], "qas": [qa]}
    (folder / "en.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), "utf-8")
    return root


def config(train: dict[str, Any], **options: Any) -> DataConfig:
    return DataConfig.model_validate({"train": train, **options})


def rows(pairs: Pairs) -> set[tuple[str, str]]:
    return set(zip(pairs.question_id, pairs.language, strict=True))
