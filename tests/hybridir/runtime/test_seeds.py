import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hybridir.runtime.seeds import derive_seed


@given(st.integers(0, 2**40), st.text(max_size=20))
def test_a_seed_is_the_first_63_bits_of_sha_256(seed: int, purpose: str) -> None:
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).hexdigest()
    assert derive_seed(seed, purpose) == int(digest, 16) >> (256 - 63)


def test_seeds_of_neighbouring_numbers_and_of_purposes_differ() -> None:
    purposes = ("batches", "weights", "dropout")
    seeds = {derive_seed(seed, purpose) for seed in range(1000) for purpose in purposes}
    assert len(seeds) == 3000
    assert all(0 <= seed < 2**63 for seed in seeds)
