"""A seed for each purpose, all derived from one number."""

import hashlib


def derive_seed(seed: int, purpose: str) -> int:
    """Derive an independent seed for a purpose.

    SHA-256 makes the seeds of neighbouring numbers unrelated, and alike on every platform.

    Args:
        seed: the trial's seed.
        purpose: a word for its use, such as ``"batches"``.

    Returns:
        An integer in [0, 2**63).

    >>> derive_seed(0, "batches") == derive_seed(0, "weights")
    False
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
