from hybridir.config.trial import DataPart
from tune.study.confirmation import repeats


def test_without_parts_every_repeat_trains_on_all_data() -> None:
    listed = repeats(seed=3, seeds=4, data_parts=None)
    assert len(listed) == len({repeat.seed for repeat in listed}) == 4
    assert {repeat.data_part for repeat in listed} == {None}


def test_repeats_are_listed_part_by_part_and_share_no_seed() -> None:
    listed = repeats(seed=3, seeds=2, data_parts=3)
    assert [repeat.data_part for repeat in listed] == [
        DataPart(number=number, of=3) for number in (0, 0, 1, 1, 2, 2)
    ]
    assert len({repeat.seed for repeat in listed}) == 6


def test_seeds_equal_the_first_seeds_of_a_study_of_all_data() -> None:
    dealt, whole = repeats(3, 2, 2), repeats(3, 4, None)
    assert [repeat.seed for repeat in dealt] == [repeat.seed for repeat in whole]
    assert repeats(4, 4, None) != whole
