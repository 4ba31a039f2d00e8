"""Hybrid batches in sentence-transformers' trainer: the plan's batches, our training's loss."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.losses import (
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)

from hybridir.config import TrainingConfig
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder import load_encoder
from hybridir.encoder.load import tokenise
from hybridir.errors import InputError
from hybridir.integrations.sentence_transformers import (
    HybridBatches,
    HybridTraining,
    LanguagePoolEvaluator,
)
from hybridir.runtime.precision import accelerator
from hybridir.training import train
from tests.support.sentence_trainer import (
    batches,
    load,
    planned,
    run,
    table,
    trainer_of,
    write_encoder,
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("model") / "encoder")


def first_loss(encoder: Path, of: HybridBatches, folder: Path, **settings: Any) -> float:
    """The loss at step 0 of `hybridir.training.train`."""
    loaded = load_encoder(encoder)
    texts = table()
    tables = tokenise(
        loaded.config, loaded.tokenizer, texts.question, texts.passage, folder, texts.digest
    )
    config = TrainingConfig(pairs=of.plan.batch_size, **settings)
    with accelerator("fp32") as accelerate:
        state = train(
            config,
            accelerate,
            loaded.model,
            *tables,
            of.plan,
            seed=0,
            checkpoint=folder / "checkpoint",
            fingerprint="",
        )
    return state.losses[0]


@pytest.mark.parametrize("steps", [12, pytest.param(500, marks=pytest.mark.long)])
def test_batches_are_the_plans_before_and_after_a_resume_at_a_random_step(
    steps: int, encoder: Path, tmp_path: Path
) -> None:
    of = batches(steps)
    step = random.randrange(1, steps)
    recorded, hybrid = run(encoder, of, tmp_path, save_strategy="steps", save_steps=step)
    expected = planned(of, hybrid.model.tokenizer)
    assert len(expected) == steps
    assert recorded.batches == expected

    checkpoint = str(tmp_path / f"checkpoint-{step}")
    resumed, again = run(encoder, batches(steps), tmp_path / "again", resume=checkpoint)
    assert resumed.batches == expected[step:], f"resumed at step {step}"
    np.testing.assert_allclose(resumed.losses, recorded.losses[step:], rtol=1e-5)
    for name, weight in again.model.state_dict().items():
        torch.testing.assert_close(weight, hybrid.model.state_dict()[name])


@pytest.mark.parametrize(
    ("batch", "settings"),
    [
        ({"batch_size": 32, "coin": "stratified"}, {}),
        # More pairs than passage groups, so that some are masked.
        ({"batch_size": 160, "kind": "x-x"}, {"temperature": 0.2, "symmetric": True}),
    ],
)
def test_the_first_loss_is_that_of_our_training(
    batch: dict[str, Any], settings: dict[str, Any], encoder: Path, tmp_path: Path
) -> None:
    of = batches(1, **batch)
    has_equal = len(set(of.plan[0].groups.tolist())) < of.plan.batch_size
    assert has_equal is (of.plan.batch_size == 160)
    recorded, _ = run(encoder, of, tmp_path, loss=settings)
    assert recorded.losses[0] == pytest.approx(first_loss(encoder, of, tmp_path, **settings), 1e-5)


def test_texts_in_chunks_leave_loss_and_steps_as_they_are(encoder: Path, tmp_path: Path) -> None:
    of = batches(3, batch_size=32)
    whole, first = run(encoder, of, tmp_path)
    chunked, second = run(encoder, of, tmp_path, loss={"mini_batch_size": 5})
    np.testing.assert_allclose(chunked.losses, whole.losses, rtol=1e-5)
    for name, weight in first.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], weight, atol=1e-4, rtol=1e-4)


def test_prompts_and_lengths_of_the_model_are_trained_with(tmp_path: Path) -> None:
    encoder = write_encoder(
        tmp_path / "encoder",
        query_prefix="query: ",
        passage_prefix="passage: ",
        query_length=9,
        passage_length=12,
    )
    of = batches(1, batch_size=32)
    recorded, hybrid = run(encoder, of, tmp_path)
    assert recorded.losses[0] == pytest.approx(first_loss(encoder, of, tmp_path), 1e-5)
    assert hybrid.arguments["prompts"] == {"question": "query: ", "passage": "passage: "}
    with pytest.raises(InputError, match=r"router_mapping=\{\}: the model cuts or routes"):
        run(encoder, of, tmp_path, router_mapping={})

    def forget(hybrid: HybridTraining) -> None:
        hybrid.model.prompts = {}

    bare, _ = run(encoder, of, tmp_path, change=forget)
    assert abs(bare.losses[0] - recorded.losses[0]) > 1e-3, "prompts matter to this loss"


def test_part_of_an_epoch_is_the_beginning_of_the_plan(encoder: Path, tmp_path: Path) -> None:
    of = batches(4)
    for arguments in ({"max_steps": 3}, {"num_train_epochs": 0.75}):
        recorded, hybrid = run(encoder, of, tmp_path, dataloader_drop_last=False, **arguments)
        assert recorded.batches == planned(of, hybrid.model.tokenizer)[:3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gradient_accumulation_steps": 2}, "gradient_accumulation_steps=2: accumulated"),
        ({"num_train_epochs": 3}, "num_train_epochs=3: asks for 12 steps, but the plan has 4"),
        ({"max_steps": 5}, r"max_steps=5: asks for 5 steps.*pairs=40"),
        ({"accelerator_config": {"split_batches": True}}, "split_batches: the batch sampler"),
        ({"accelerator_config": {"dispatch_batches": True}}, "dispatch_batches: each process"),
        ({"ignore_data_skip": True}, "ignore_data_skip: a resumed training"),
        ({"per_device_train_batch_size": 4}, "4 pairs in each of 1 processes are 4, but the plan"),
        ({"batch_sampler": "batch_sampler"}, "batch_sampler: is not HybridTraining.batch_sampler"),
        ({"prompts": "query: "}, "prompts='query: ': the model's own by column are None"),
    ],
)
def test_arguments_that_change_batches_or_loss_are_refused_by_name(
    arguments: dict[str, Any], message: str, encoder: Path, tmp_path: Path
) -> None:
    hybrid = HybridTraining(load(encoder), batches(4))
    with pytest.raises(InputError, match=message):
        trainer_of(hybrid, tmp_path, **arguments).train()


def test_everything_that_cannot_be_obeyed_is_named_at_once(encoder: Path, tmp_path: Path) -> None:
    hybrid = HybridTraining(load(encoder), batches(4))
    trainer = trainer_of(hybrid, tmp_path, gradient_accumulation_steps=3, ignore_data_skip=True)
    with pytest.raises(InputError) as caught:
        trainer.train()
    assert str(caught.value).count("\n  - ") == 2


def test_other_parts_of_a_trainer_are_refused_by_name(encoder: Path, tmp_path: Path) -> None:
    def refused(parts: dict[str, Any], message: str) -> None:
        hybrid = HybridTraining(load(encoder), batches(4))
        with pytest.raises(InputError, match=message):
            trainer_of(hybrid, tmp_path, parts, eval_strategy=strategy, max_steps=4).train()

    strategy = "no"
    other = batches(4).dataset
    plain = Dataset.from_dict({"question": ["a"] * 9, "passage": ["b"] * 9, "label": [1] * 9})
    refused({"train_dataset": plain}, "HybridTraining.dataset alone")
    refused({"train_dataset": other}, "HybridTraining.dataset alone")
    refused({"train_dataset": DatasetDict(a=other, b=plain)}, r"HybridBatches\(\[first, second\]")
    refused({"train_dataset": plain.to_iterable_dataset()}, "train_dataset: is not")
    refused({"callbacks": []}, "callbacks: HybridTraining.checks is missing")
    strategy = "epoch"
    refused({"eval_dataset": other}, "take LanguagePoolEvaluator as evaluator")


def test_the_data_set_that_is_trained_on_is_refused_for_evaluation(
    encoder: Path, tmp_path: Path
) -> None:
    hybrid = HybridTraining(load(encoder), batches(4))
    parts = {"eval_dataset": hybrid.dataset}
    # Its batches would have the size of evaluation, 8, which is no mistake of the training's.
    with pytest.raises(InputError, match="eval_dataset: the plan has no batches of it; take Lan"):
        trainer_of(hybrid, tmp_path, parts, eval_strategy="steps", eval_steps=1).train()


def test_our_own_data_set_as_one_of_several_is_refused(encoder: Path, tmp_path: Path) -> None:
    hybrid = HybridTraining(load(encoder), batches(4))
    several = DatasetDict(ours=hybrid.dataset)
    with pytest.raises(InputError, match="or part of several"):
        trainer_of(hybrid, tmp_path, {"train_dataset": several}).train()


def test_a_model_that_is_not_loaded_is_refused() -> None:
    evaluator = LanguagePoolEvaluator(synthetic_corpus(languages=3, seed=20, entities=30).test)
    message = r"model='encoder': load it: SentenceTransformer\('encoder'\)"
    with pytest.raises(InputError, match=message):
        HybridTraining("encoder", batches(2))
    with pytest.raises(InputError, match=message):
        evaluator("encoder")


def test_another_loss_is_refused_unless_it_is_meant(encoder: Path, tmp_path: Path) -> None:
    model = load(encoder)
    loss = {"loss": MultipleNegativesRankingLoss(model)}
    hybrid = HybridTraining(model, batches(4))
    with pytest.raises(InputError, match="loss: another loss than"):
        trainer_of(hybrid, tmp_path, loss).train()
    hybrid = HybridTraining(model, batches(4), other_loss=loss["loss"])
    assert hybrid.parts["loss"] is loss["loss"]
    assert trainer_of(hybrid, tmp_path).train().global_step == 4
    with pytest.raises(InputError, match="other_loss=True: expected the loss"):
        HybridTraining(model, batches(4), other_loss=True)  # type: ignore[arg-type]


def test_another_model_is_refused(encoder: Path, tmp_path: Path) -> None:
    hybrid = HybridTraining(load(encoder), batches(4))
    hybrid.model = load(encoder)  # goes to the trainer
    with pytest.raises(InputError, match="model: is not the one of this HybridTraining"):
        trainer_of(hybrid, tmp_path).train()


def test_a_loss_around_ours_is_allowed(encoder: Path, tmp_path: Path) -> None:
    hybrid = HybridTraining(load(encoder), batches(2))
    around = {"loss": MatryoshkaLoss(hybrid.model, hybrid.loss, [32, 16])}
    assert trainer_of(hybrid, tmp_path, around).train().global_step == 2


def test_the_loss_needs_the_batch_sampler_and_its_checks(encoder: Path, tmp_path: Path) -> None:
    hybrid = HybridTraining(load(encoder), batches(4))
    arguments = {"batch_sampler": "batch_sampler", "prompts": None}
    with pytest.raises(InputError, match=r"callbacks: HybridTraining\.checks is missing"):
        trainer_of(hybrid, tmp_path, {"callbacks": []}, **arguments).train()


def test_a_checkpoint_of_other_batches_is_refused(encoder: Path, tmp_path: Path) -> None:
    saving: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2}
    run(encoder, batches(4), tmp_path / "first", **saving)
    resume = str(tmp_path / "first" / "checkpoint-2")
    with pytest.raises(InputError, match=r"trained with mixing_ratio=0.5, now it is 0.25"):
        run(encoder, batches(4, ratio=0.25), tmp_path / "second", resume=resume)
    with pytest.raises(InputError, match=r"trained with temperature=0.05, now it is 0.1"):
        run(encoder, batches(4), tmp_path / "third", resume=resume, loss={"temperature": 0.1})


def test_a_checkpoint_holds_neither_texts_nor_weights_of_the_sampler(
    encoder: Path, tmp_path: Path
) -> None:
    of = batches(2)
    run(encoder, of, tmp_path, save_strategy="steps", save_steps=1)
    path = tmp_path / "checkpoint-1" / "training_args.bin"
    assert path.stat().st_size < 20_000
    card = (tmp_path / "checkpoint-1" / "README.md").read_text()
    assert '"mixing_ratio": 0.5' in card and "elmahdy2024synergistic" in card
    saved = torch.load(path, weights_only=False)
    assert saved.batch_sampler.description == of.description
    with pytest.raises(InputError, match="it comes from a file"):
        saved.batch_sampler(of.dataset, batch_size=8)


def test_a_similarity_other_than_cosine_and_dot_is_refused(encoder: Path) -> None:
    model = SentenceTransformer(str(encoder), device="cpu", similarity_fn_name="euclidean")
    with pytest.raises(InputError, match="similarity_fn_name='euclidean': legal are cosine"):
        HybridTraining(model, batches(1))


def test_processes_that_cannot_share_a_batch_are_refused(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="batch_size=8 cannot be shared by 3 processes"):
        _ = HybridTraining(load(encoder), batches(1)).arguments


def test_the_trainer_is_that_of_sentence_transformers(encoder: Path, tmp_path: Path) -> None:
    trainer = trainer_of(HybridTraining(load(encoder), batches(1)), tmp_path)
    assert type(trainer) is SentenceTransformerTrainer
