"""Small question answering models, an encoder to make one of, and data with answers, on disk."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForQuestionAnswering, BertModel

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


COLOURS = {
    "en": "red blue green yellow black white".split(),
    "de": "rot blau grün gelb schwarz weiß".split(),
}
_WORDS = {
    "en": "the a box lies on under small big table chair old new cup of wood stone and is".split(),
    "de": "die eine kiste liegt auf unter kleine große stuhl alt neu tasse aus holz und".split(),
}


def write_colours(root: Path, name: str, questions: int, seed: int) -> Path:
    """Write paragraphs of random words, in each of which one word is a colour: the answer.

    Returns:
        The data root.
    """
    draw = random.Random(seed)
    folder = root / name
    folder.mkdir(parents=True)
    for code, colours in COLOURS.items():
        paragraphs = []
        for number in range(questions):
            words = draw.choices(_WORDS[code], k=30)
            at = draw.randrange(len(words))
            words[at] = draw.choice(colours)
            context = " ".join(words)
            start = len(" ".join(words[:at])) + (at > 0)
            question = {
                "id": f"{name}-{number}",
                "question": " ".join([*draw.choices(_WORDS[code], k=5), f"{seed}{number}?"]),
                "answers": [{"answer_start": start, "text": words[at]}],
            }
            breaks = [[0, len(context)]]
            paragraphs.append({"context": context, "sentence_breaks": breaks, "qas": [question]})
        content = {"data": [{"title": "colours", "paragraphs": paragraphs}]}
        (folder / f"{code}.json").write_text(json.dumps(content), "utf-8")
    return root


def write_encoder(folder: Path, positions: int = 512) -> Path:
    """Save a tiny encoder with random weights, which knows the words of `write_colours`."""
    words = [word for part in (COLOURS, _WORDS) for known in part.values() for word in known]
    tokenizer = train_tokenizer([*words, *map(str, range(100))] * 2, 400)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(
            BertConfig(
                vocab_size=len(tokenizer),
                num_hidden_layers=1,
                max_position_embeddings=positions,
                **sizes,
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
