import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridir.retrieval.trec_order import ascending_ids, pack_keys, unpack_keys

scores = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30)


@given(scores=scores, data=st.data())
def test_keys_sort_by_score_and_then_by_position(scores: list[float], data: st.DataObject) -> None:
    positions = data.draw(st.permutations(range(len(scores))))
    keys = pack_keys(np.array([scores], np.float32), np.array(positions, np.uint64))[0]
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], positions[n]))
    assert np.argsort(keys).tolist() == order
    unpacked_scores, unpacked_positions = unpack_keys(keys)
    assert unpacked_scores.tolist() == scores  # minus zero equals zero
    assert unpacked_positions.tolist() == list(positions)


@given(ids=st.lists(st.text(st.characters(codec="utf-8")), unique=True))
def test_ids_are_sorted_by_the_bytes_of_utf_8(ids: list[str]) -> None:
    id_order, by_id = ascending_ids(ids)
    assert [ids[index] for index in by_id] == sorted(ids, key=str.encode)
    assert id_order[by_id].tolist() == list(range(len(ids)))
