from hybridir.config.trial import DataPart
from tune.study.confirmation import repeats


def test_without_parts_every_repeat_learns_from_all_data() -> None:
    found = repeats(seed=3, seeds=4, data_parts=None)
    assert len(found) == len({repeat.seed for repeat in found}) == 4
    assert {repeat.data_part for repeat in found} == {None}


def test_parts_come_one_after_the_other_and_no_two_repeats_share_a_seed() -> None:
    found = repeats(seed=3, seeds=2, data_parts=3)
    assert [repeat.data_part for repeat in found] == [
        DataPart(number=number, of=3) for number in (0, 0, 1, 1, 2, 2)
    ]
    assert len({repeat.seed for repeat in found}) == 6


def test_seeds_are_those_of_a_study_of_all_data_as_far_as_it_goes() -> None:
    dealt, whole = repeats(3, 2, 2), repeats(3, 4, None)
    assert [repeat.seed for repeat in dealt] == [repeat.seed for repeat in whole]
    assert repeats(4, 4, None) != whole
