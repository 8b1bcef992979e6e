"""Averages of the weights: a run has one at most."""

from collections.abc import Iterator

# Callbacks that swap an average of the weights in for validation, by the ends of their targets.
AVERAGES = (".ema.EMA", ".averaging.WeightAverage", ".ScheduleFree", "WeightAveraging")


def against_averages(cfg: dict) -> Iterator[str]:
    """Callbacks of which each swaps other weights in for validation: with two, training would go on with an average."""
    recipes = {name: recipe for name, recipe in (cfg["callbacks"] or {}).items() if isinstance(recipe, dict)}
    found = [name for name, recipe in recipes.items() if str(recipe.get("_target_")).endswith(AVERAGES)]
    if len(found) > 1:
        yield (
            f"callbacks.{' and callbacks.'.join(found)} each put an average of the weights in for validation: keep one"
        )
