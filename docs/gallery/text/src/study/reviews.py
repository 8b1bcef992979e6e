"""Short reviews as token ids, made by a small grammar: a `not` turns a word round, and what is said last decides."""

import numpy as np

SUBJECTS = ("film", "plot", "acting", "music", "ending")
GOOD, BAD = ("good", "moving", "clever", "funny"), ("bad", "dull", "slow", "silly")
WORDS = ("the", "was", "not", "very", "but", *SUBJECTS, *GOOD, *BAD)
IDS = {word: number for number, word in enumerate(WORDS, start=1)}  # 0 is for padding


def reviews(examples: int, seed: int) -> dict:
    """Reviews of 4 to 24 words: `input_ids`, a list of ids for each, and `label`, 1 for praise and 0 for blame."""
    draw = np.random.default_rng(seed)
    texts, labels = zip(*(review(draw) for _ in range(examples)), strict=True)
    return {"input_ids": [[IDS[word] for word in text] for text in texts], "label": np.array(labels)}


def review(draw: np.random.Generator) -> tuple[list[str], int]:
    """One to four clauses such as `the plot was not very good`, and whether the last of them is praise."""
    words: list[str] = []
    praise = turned = 0
    for clause in range(draw.integers(1, 5)):
        praise, turned = draw.integers(0, 2, size=2)
        words += ["but"] if clause else []
        words += ["the", str(draw.choice(SUBJECTS)), "was"]
        words += ["not"] * turned + ["very"] * draw.integers(0, 2)
        words += [str(draw.choice(GOOD if praise else BAD))]
    return words, int(praise ^ turned)
