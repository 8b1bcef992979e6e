"""Whether missing data may be downloaded."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OFFLINE = "encore fetch_data {name} fetches it"
# What to do instead; None: they may. ENCORE_OFFLINE=1 refuses them in a whole process.
refused: ContextVar[str | None] = ContextVar("refused", default=OFFLINE if os.environ.get("ENCORE_OFFLINE") else None)


@contextmanager
def downloads_refused(remedy: str = OFFLINE) -> Iterator[None]:
    """Answer data that are missing with InputError and a remedy, instead of downloading them."""
    before = refused.set(remedy)
    try:
        yield
    finally:
        refused.reset(before)
