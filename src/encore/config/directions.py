"""Whether higher or lower is better, as far as a metric's name tells."""

# Prefix of a metric that counts the epochs until another reaches a value: `epochs to train/loss 0.01`.
UNTIL = "epochs to "
LOWER = ("loss", "error", "mse", "mae", "nll", "entropy", "perplexity")
HIGHER = ("accuracy", "auroc", "precision", "recall", "f1")


def lower_is_better(metric: str) -> bool:
    """Whether a metric is an error, or counts epochs."""
    return metric.startswith(UNTIL) or any(word in metric.lower() for word in LOWER)


def mode_of(metric: str) -> str | None:
    """`min` or `max`; None if the name does not tell."""
    if lower_is_better(metric):
        return "min"
    return "max" if any(word in metric.lower() for word in HIGHER) else None
