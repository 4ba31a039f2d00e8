"""Tiny folders of encoders, written by sentence-transformers and transformers themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    FNetConfig,
    FNetModel,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from hybridir.encoder.vocabulary import train_tokenizer

TEXTS = [
    "Where is the river?",
    "It is in the north, behind the HILLS, and cold.",
    "Wo liegt der Fluss, und wie kalt ist er im Winter?",
    "kalt",
    "The hills are in the north of the river, and the river is in the north of the town. " * 4,
]
_BERT: dict[str, Any] = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
}
_T5: dict[str, Any] = {
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 2,
    "num_heads": 2,
    "dropout_rate": 0.0,
}


def word_pieces() -> PreTrainedTokenizerFast:
    """A tokenizer as BERT's, which knows lower-case letters alone."""
    return train_tokenizer(TEXTS, 200)


def sentence_pieces() -> PreTrainedTokenizerFast:
    """A tokenizer as those of XLM-R and T5: a Unigram model, ``<pad>`` in place 1 as XLM-R's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


# A model's vocabulary is larger than the tokenizer's, as many are.
FAMILIES: dict[
    str, tuple[Callable[[], PreTrainedModel], Callable[[], PreTrainedTokenizerFast]]
] = {
    "bert": (
        lambda: BertModel(BertConfig(**_BERT, vocab_size=200, max_position_embeddings=64)),
        word_pieces,
    ),
    "xlm-roberta": (
        lambda: XLMRobertaModel(
            XLMRobertaConfig(**_BERT, vocab_size=130, max_position_embeddings=66, pad_token_id=1)
        ),
        sentence_pieces,
    ),
    "t5": (
        lambda: T5EncoderModel(T5Config(**_T5, vocab_size=130, pad_token_id=1)),
        sentence_pieces,
    ),
    "mt5": (
        lambda: MT5ForConditionalGeneration(
            MT5Config(**_T5, vocab_size=130, pad_token_id=1, decoder_start_token_id=1)
        ),
        sentence_pieces,
    ),
    "fnet": (
        lambda: FNetModel(
            FNetConfig(
                vocab_size=200,
                hidden_size=16,
                num_hidden_layers=2,
                intermediate_size=32,
                max_position_embeddings=64,
            )
        ),
        word_pieces,
    ),
}


def backbone_folder(folder: Path, family: str = "bert", **saving: Any) -> Path:
    """Write random weights and a tokenizer as transformers does."""
    make, tokenizer = FAMILIES[family]
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():  # new weights hardly tell texts apart
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3)
    model.save_pretrained(folder, **saving)
    tokenizer().save_pretrained(folder)
    return folder


def sentence_folder(
    folder: Path,
    *modules: nn.Module,
    family: str = "bert",
    transformer: dict[str, Any] | None = None,
    **model: Any,
) -> Path:
    """Write a sentence-transformers folder with its own writers.

    Args:
        folder: where.
        modules: those behind the Transformer; mean pooling if left out.
        family: one of `FAMILIES`.
        transformer: settings of the Transformer.
        model: settings of the whole, such as ``prompts``.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    plain = backbone_folder(folder.parent / f"{folder.name}-backbone", family)
    first = Transformer(str(plain), **(transformer or {}))
    layers = modules or (Pooling(16, "mean"),)
    SentenceTransformer(modules=[first, *layers], device="cpu", **model).save(
        str(folder), create_model_card=False
    )
    return folder
