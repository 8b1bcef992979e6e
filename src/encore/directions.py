"""Which way a metric is better, as far as its name tells."""

# What begins the name of the first epoch in which a metric reaches a figure: `epochs to train/loss 0.01`.
UNTIL = "epochs to "
LOWER = ("loss", "error", "mse", "mae", "nll", "entropy", "perplexity")
HIGHER = ("accuracy", "auroc", "precision", "recall", "f1")


def lower_is_better(metric: str) -> bool:
    """Whether a metric is one of errors, or counts epochs."""
    return metric.startswith(UNTIL) or any(word in metric.lower() for word in LOWER)


def mode_of(metric: str) -> str | None:
    """`min` or `max`; None where the name does not tell."""
    if lower_is_better(metric):
        return "min"
    return "max" if any(word in metric.lower() for word in HIGHER) else None
