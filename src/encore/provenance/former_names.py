"""Names of parts and settings in earlier versions, so that runs recorded then can still be read."""

from typing import Any

# `_target_`s that have moved.
FORMER = {
    "encore.callbacks.monitors.LearningRate": "encore.callbacks.learning_rate.LearningRate",
    "encore.callbacks.monitors.Norms": "encore.callbacks.norms.Norms",
    "encore.data.augment.Crop": "encore.data.augment.crop.Crop",
    "encore.data.augment.CutMix": "encore.data.augment.cutmix.CutMix",
    "encore.data.augment.Flip": "encore.data.augment.flip.Flip",
    "encore.data.augment.Mixup": "encore.data.augment.mixup.Mixup",
    "encore.data.augment.Noise": "encore.data.augment.noise.Noise",
    "encore.data.augment.RandomErasing": "encore.data.augment.random_erasing.RandomErasing",
    "encore.optim.schedules.cosine": "encore.optim.cosine.cosine",
    "encore.optim.schedules.inverse_time": "encore.optim.inverse_time.inverse_time",
    "encore.record.checkpoints.Checkpoints": "encore.callbacks.checkpoints.Checkpoints",
    "encore.record.metrics_csv.MetricsCSV": "encore.loggers.metrics_csv.MetricsCSV",
    "encore.record.tensorboard.TensorBoard": "encore.loggers.tensorboard.TensorBoard",
}


def present(config: Any) -> Any:
    """A copy of a recorded config, or a part of one, with today's names."""
    if isinstance(config, list):
        return [present(item) for item in config]
    if not isinstance(config, dict):
        return config
    target = config.get("_target_")
    of_model = isinstance(target, str) and target.startswith("encore.models.")
    renamed = {
        "num_outputs" if of_model and key == "num_classes" else key: present(value) for key, value in config.items()
    }
    return renamed | ({"_target_": FORMER[target]} if isinstance(target, str) and target in FORMER else {})
