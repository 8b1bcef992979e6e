"""Python's search for objects that refer to each other and to which nothing else does.

It goes through all that libraries have made while they were imported, again and again: half a second of a run's CPU
time, and 0.3 s now and then in a sweep.
"""

import gc

OBJECTS = 50_000  # made before a search, while modules are imported, which leave none of these

usual: tuple[int, int, int] | None = None


def search_less() -> None:
    """Search rarely, until all is imported."""
    global usual
    if usual is None:
        usual = gc.get_threshold()
        gc.set_threshold(OBJECTS, *usual[1:])


def search_as_usual() -> None:
    """Search as often as Python does, but no longer what is there by now; nothing if searches are as usual."""
    global usual
    if usual is not None:
        gc.freeze()
        gc.set_threshold(*usual)
        usual = None
