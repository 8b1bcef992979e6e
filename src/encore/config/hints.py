"""Settings of other templates, and their equivalents here: for people coming from lightning-hydra-template."""

RESUME = "a run resumes by itself: the same command continues it from its last checkpoint"
NAMED = (
    "a run's folder is named by its data, model and optimiser, what differs from the defaults, seed and fingerprint; "
    "runs_dir=… puts runs elsewhere"
)
RERUN = "`encore reproduce RUN` runs a recorded run again and compares"
NET = "model=NAME is the net itself, and optim=NAME and scheduler=NAME stand beside it"

# Optional packages, by the extra or launcher that needs them.
PACKAGES = {
    "joblib": "hydra-joblib-launcher",
    "submitit": "hydra-submitit-launcher",
    "slurm": "hydra-submitit-launcher",
    "search": "optuna",
}

# Keys are settings, or prefixes of settings.
HINTS = {
    "ckpt_path": f"{RESUME}; `encore evaluate RUN` tests a finished run's best weights again",
    "train": "`encore evaluate RUN` tests a finished run without training it",
    "task_name": NAMED,
    "tags": f"{NAMED}; `encore runs` lists runs, and `encore report RUN… --by SETTING` groups them",
    "paths": "runs_dir=… says where runs go, data_dir=… where data are (ENCORE_RUNS_DIR and ENCORE_DATA_DIR for good)",
    "extras": "the config is printed by --cfg job, and is in each run's config.yaml; warnings are left to Python's -W",
    "hparams_search": "-m sweep=NAME runs a search of configs/sweep/, such as sweep=mlp_search",
    "optimized_metric": "monitor.metric=val/loss is what a search improves",
    "local": "ENCORE_DATA_DIR, ENCORE_RUNS_DIR and ENCORE_CONFIGS hold machine-specific settings",
    "model.net": NET,
    "model.optimizer": "optim=adam chooses the optimiser, optim.lr=1e-3 its learning rate",
    "model.scheduler": "scheduler=plateau chooses the schedule of the learning rate",
    "model.compile": "trainer.compile=true compiles the net",
    "data.data_dir": "data_dir=… says where data are, for every dataset",
    "data.train_val_test_split": "data.val_fraction=0.1 and data.test_fraction=0.2 hold examples out",
    "data.pin_memory": "data stay on the device; data.resident=false loads them through worker processes",
    "trainer.default_root_dir": NAMED,
    "trainer.max_time": "`timeout 3600 encore train …` stops a run after an hour; the same command continues it",
    "callbacks.model_checkpoint": "callbacks.checkpoint writes last.ckpt and best.ckpt; monitor.metric says which",
    "callbacks.model_summary": "the net's parameters are printed as a run starts",
    "callbacks.rich_progress_bar": "callbacks.progress is the bar",
}  # fmt: skip


def installing(extra: str) -> str:
    """The command that installs an extra."""
    return f"uv pip install {PACKAGES.get(extra, extra)}"


def hint(setting: str) -> str | None:
    """What to write instead of a setting that does not exist; None if nothing is known about it."""
    for known, words in HINTS.items():
        if setting == known or setting.startswith(f"{known}."):
            return f"there is no setting {setting}: {words}"
    return None
