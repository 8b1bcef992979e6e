"""Arrays that take long to make of a file, such as token ids, kept by content."""

import io
import logging
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from zipfile import BadZipFile

import numpy as np

from encore.files import replace
from encore.provenance import remembered
from encore.provenance.closure import reading_of
from encore.provenance.contents import digest_of

log = logging.getLogger("encore")


def cached(
    name: str, file: Path, code: Sequence[ModuleType], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that `make` gives, kept in the user's cache folder until the file or the code is another.

    Args:
        name: of what is made; one result is kept for each name and content.
        file: what it is made of; only its content counts, not its place.
        code: the modules that decide what is made.
        make: makes it; called where nothing fitting is kept, or it is damaged.
    """
    content = digest_of(file)
    digests = [reading_of(Path(str(module.__file__))).digest for module in code]
    key = np.array("\n".join([content, *digests, f"{sys.version_info[0]}.{sys.version_info[1]}"]))
    place = remembered.folder() / f"{name}-{content[:16]}.npz"
    try:
        with place.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            if str(held["key"]) == str(key):
                return {each: held[each] for each in held.files if each != "key"}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as problem:
        log.debug("%s is made anew: %s", place, problem)
    made = make()
    whole = io.BytesIO()
    np.savez(whole, **{"key": key, **made})  # type: ignore[arg-type]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace(place, whole.getvalue())
    except OSError as problem:  # it is made again next time
        log.debug("%s cannot be kept: %s", place, problem)
    return made
