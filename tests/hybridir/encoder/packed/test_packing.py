import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hybridir.encoder.packed.packing import pack, split_into_chunks
from tests.support.encoders import texts

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60)


@given(lengths, st.integers(1, 2000))
def test_chunks_hold_each_text_once_shortest_first_within_the_limit(
    sizes: list[int], limit: int
) -> None:
    chunks = split_into_chunks(np.array(sizes), limit)
    order = np.concatenate(chunks)
    assert sorted(order.tolist()) == list(range(len(sizes)))
    assert np.all(np.diff(np.array(sizes)[order]) >= 0)
    assert all(len(chunk) == 1 or np.array(sizes)[chunk].sum() <= limit for chunk in chunks)


@given(lengths)
def test_without_a_limit_there_is_one_chunk(sizes: list[int]) -> None:
    assert len(split_into_chunks(np.array(sizes), None)) == 1


def test_chunks_are_of_about_the_same_size() -> None:
    # 100 texts of 10 tokens: 1,000 tokens in chunks of at most 300 are 4 chunks of 250.
    assert [len(chunk) for chunk in split_into_chunks(np.full(100, 10), 300)] == [25, 25, 25, 25]


def test_no_texts_make_no_chunks() -> None:
    assert split_into_chunks(np.empty(0, dtype=np.int64), 10) == []
    assert pack([]) == []


def test_a_packing_holds_tokens_and_positions_of_each_text() -> None:
    rows = [np.array([7, 8, 9], np.int32), np.array([5], np.int32), np.array([1, 2, 3], np.int32)]
    (packed,) = pack(rows)
    assert packed.rows_B.tolist() == [1, 0, 2]
    assert packed.tokens_T.tolist() == [5, 7, 8, 9, 1, 2, 3]
    assert packed.positions_T.tolist() == [0, 0, 1, 2, 0, 1, 2]
    assert packed.length_runs == ((1, 1), (2, 3))
    assert packed.lengths == [1, 3, 3]


@given(lengths)
def test_a_filler_rounds_up_the_tokens_and_changes_no_text(
    sizes: list[int],
) -> None:
    rows = [np.full(size, size, dtype=np.int32) for size in sizes]
    (packed,) = pack(rows, np.arange(len(sizes), dtype=np.uint32))
    filled = packed.with_filler()
    tokens, total = len(packed.tokens_T), len(filled.tokens_T)
    # 17, 19 and 40 become 18, 20 and 40: multiples of an eighth of 16 and 32; 1100 becomes 1152.
    multiple = min(128, max(1, 2 ** int(np.log2(tokens)) // 8))
    assert total == -(-tokens // multiple) * multiple
    assert torch.equal(filled.tokens_T[:tokens], packed.tokens_T)
    assert torch.equal(filled.positions_T[:tokens], packed.positions_T)
    assert filled.rows_B is packed.rows_B
    assert sum(texts * length for texts, length in filled.length_runs) == total
    assert len(filled.positions_T) == total
    assert packed.keys_T is not None and filled.keys_T is not None
    assert np.array_equal(filled.keys_T[:tokens], packed.keys_T)
    assert len(filled.keys_T) == total


def test_the_keys_of_a_text_s_tokens_are_its_own_and_all_different() -> None:
    given_texts = texts(20)
    keys = np.arange(20, dtype=np.uint32)
    (packed,) = pack(given_texts, keys)
    assert packed.keys_B is not None and packed.keys_T is not None
    assert packed.keys_B.tolist() == packed.rows_B.tolist()
    assert len(set(packed.keys_T.tolist())) == len(packed.tokens_T)
    (single,) = pack(given_texts[4:5], keys[4:5])
    start = np.cumsum([0, *packed.lengths])[packed.rows_B.tolist().index(4)]
    assert single.keys_T is not None
    assert single.keys_T.tolist() == packed.keys_T[start : start + len(given_texts[4])].tolist()


def test_buckets_hold_texts_of_similar_length_padded_at_the_end() -> None:
    rows = [np.full(size, size, np.int32) for size in (3, 16, 17, 2, 40)]
    (packed,) = pack(rows)
    buckets = [(tokens.tolist(), sizes) for tokens, sizes in packed.buckets(9, 16)]
    assert buckets == [
        ([[2] * 2 + [9] * 14, [3] * 3 + [9] * 13, [16] * 16], [2, 3, 16]),
        ([[17] * 17], [17]),
        ([[40] * 40], [40]),
    ]


@pytest.mark.parametrize("limit", [None, 50])
def test_packing_changes_the_order_alone(limit: int | None) -> None:
    given_texts = texts(25)
    for packed in pack(given_texts, chunk_tokens=limit):
        ends = np.cumsum(packed.lengths)
        for row, end, length in zip(packed.rows_B.tolist(), ends, packed.lengths, strict=True):
            text = packed.tokens_T[end - length : end]
            assert text.tolist() == given_texts[row].tolist()
