"""A small question answering model, and a benchmark with answers, on disk."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForQuestionAnswering

from hybridir.encoder.vocabulary import train_tokenizer

SENTENCES = {"en": "One dog sleeps. Two cats run.", "de": "Ein Hund ruht. Zwei Katzen gehen."}
ANSWERS = {"en": ("One dog", "Two cats"), "de": ("Ein Hund", "Zwei Katzen")}


def write_reader(folder: Path, seed: int = 0) -> Path:
    """Save a reader with random weights."""
    texts = [*SENTENCES.values(), *(f"{code}?" for code in SENTENCES)]
    tokenizer = train_tokenizer(texts, 400)
    sizes: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 1, "intermediate_size": 32}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForQuestionAnswering(
            BertConfig(
                vocab_size=len(tokenizer), num_hidden_layers=1, initializer_range=1.0, **sizes
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_xquad_r(root: Path) -> Path:
    """Write two languages with a paragraph of two sentences, each the answer of a question.

    Returns:
        The data root.
    """
    folder = root / "xquad-r"
    folder.mkdir(parents=True)
    for code, context in SENTENCES.items():
        middle = context.index(".") + 1
        questions = [
            {
                "id": key,
                "question": f"{code}?",
                "answers": [{"answer_start": context.index(answer), "text": answer}],
            }
            for key, answer in zip(("first", "second"), ANSWERS[code], strict=True)
        ]
        breaks = [[0, middle], [middle + 1, len(context)]]
        paragraph = {"context": context, "sentence_breaks": breaks, "qas": questions}
        content = {"data": [{"paragraphs": [paragraph]}]}
        (folder / f"{code}.json").write_text(json.dumps(content), "utf-8")
    return root
