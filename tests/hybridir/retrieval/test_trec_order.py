import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridir.retrieval.trec_order import ascending_ids, pack, unpack

scores = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30)


@given(scores=scores, data=st.data())
def test_packed_passages_sort_by_score_and_then_by_place(
    scores: list[float], data: st.DataObject
) -> None:
    places = data.draw(st.permutations(range(len(scores))))
    keys = pack(np.array([scores], dtype=np.float32), np.array(places, dtype=np.uint64))[0]
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], places[n]))
    assert np.argsort(keys).tolist() == order
    found_scores, found_places = unpack(keys)
    assert found_scores.tolist() == scores  # minus zero equals zero
    assert found_places.tolist() == list(places)


@given(ids=st.lists(st.text(st.characters(codec="utf-8")), unique=True))
def test_ids_are_sorted_by_the_bytes_of_utf_8(ids: list[str]) -> None:
    id_order, by_id = ascending_ids(ids)
    assert [ids[index] for index in by_id] == sorted(ids, key=str.encode)
    assert id_order[by_id].tolist() == list(range(len(ids)))
