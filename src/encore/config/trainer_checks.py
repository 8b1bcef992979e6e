"""Settings of Lightning's Trainer that do not go together, or not with a run."""

from collections.abc import Iterator

from encore.config.facts import encores_data, has_validation, show

# Arguments of Trainer that the engine gives, and what to set instead.
GIVEN = {
    "callbacks": "callbacks has them by name",
    "default_root_dir": "runs_dir says where runs go",
    "enable_checkpointing": "callbacks.checkpoint=null turns checkpoints off",
    "enable_model_summary": "+callbacks.summary._target_=pytorch_lightning.callbacks.ModelSummary prints it",
    "enable_progress_bar": "callbacks.progress=null turns it off",
    "logger": "logger=csv and its like choose it",
    "num_sanity_val_steps": "a batch is tried before every run as it is",
    "plugins": "the engine's own write whole files",
    "use_distributed_sampler": "Encore gives each rank its share of a batch",
}


def against_trainer(cfg: dict) -> Iterator[str]:
    """What would fail in the middle of a run, or not be heeded."""
    trainer = cfg["trainer"]
    for name in sorted(GIVEN.keys() & trainer.keys()):
        yield f"trainer.{name} is not set here: {GIVEN[name]}"
    if trainer.get("fast_dev_run"):
        yield (
            f"trainer.fast_dev_run={show(trainer['fast_dev_run'])} would be recorded as a run of its own, with figures "
            "of one batch: debug=fast tries the whole path in seconds, under a fingerprint that says so"
        )
    if trainer.get("overfit_batches") and encores_data(cfg):
        yield (
            f"trainer.overfit_batches={trainer['overfit_batches']} would shuffle on: debug=overfit trains on one batch "
            "again and again, with data.shuffle=false and trainer.limit_train_batches=1"
        )
    every = trainer.get("check_val_every_n_epoch") or 1
    if every == 1 or not has_validation(cfg):
        return
    if every > trainer["max_epochs"]:
        yield (
            f"trainer.check_val_every_n_epoch={every} is more than trainer.max_epochs={trainer['max_epochs']}: "
            "trainer.limit_val_batches=0 does without validation"
        )
    scheduler = cfg.get("scheduler") or {}
    if str(scheduler.get("monitor")).startswith("val/") and scheduler.get("frequency", 1) % every:
        yield (
            f"trainer.check_val_every_n_epoch={every}: scheduler.monitor={scheduler['monitor']} is there only every "
            f"{every} epochs: scheduler.frequency={every} looks at it then"
        )
