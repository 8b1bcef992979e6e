"""Texts that somebody types, as the arrays that the reviews are."""

from collections.abc import Sequence

import numpy as np

from course.reviews.words import number, words


def arrays(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Texts as `Reviews` has them: `tokens`, the words' numbers, of which each text's begin at `starts`."""
    read = [[number(word) for word in words(text)] for text in texts]
    starts = np.cumsum([0, *(len(each) for each in read)])[:-1]
    return {"tokens": np.array([one for each in read for one in each], np.int64), "starts": starts}
