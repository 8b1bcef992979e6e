"""Whether data that are missing may be downloaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

refused: ContextVar[bool] = ContextVar("refused", default=False)


@contextmanager
def downloads_refused() -> Iterator[None]:
    """Answer data that are missing with InputError, instead of downloading them."""
    before = refused.set(True)
    try:
        yield
    finally:
        refused.reset(before)
