"""Every random number of a run is drawn from a seed that its place in the run determines."""

import hashlib


def derive(*key: int | str) -> int:
    """The seed of one place in a run, such as `derive(seed, "order", epoch)`, as 63 bits.

    It depends on its arguments alone, never on what was drawn before, so that a run can be entered
    at any step.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
