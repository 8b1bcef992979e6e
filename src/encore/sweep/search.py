"""A search for the settings that give the best monitored metric."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from encore.config.build import build
from encore.config.combinations import Job, parsed
from encore.config.compose import resolved
from encore.config.cores import available_cores
from encore.config.facts import MISSING, leaves, look_up, monitored
from encore.config.help import called
from encore.errors import CannotWrite, ConfigError, InputError, Interrupted, Preempted
from encore.provenance.fingerprint import fingerprint, hash_of
from encore.sweep.final_report import report
from encore.sweep.grid import check_by, check_chosen, composed
from encore.sweep.judge import Judgement, reason
from encore.sweep.launch import Launch, launching
from encore.sweep.outcome import Outcome
from encore.sweep.place import Setup
from encore.sweep.proposals import Proposals
from encore.sweep.space import Space, shown, space_of, words
from encore.sweep.stored_trials import check_stored
from encore.sweep.sweeper_settings import Settings
from encore.sweep.trials import FILE, Trials

# Exit codes unrelated to a trial's settings: the trial is not stored, and the search ends.
CIRCUMSTANCES = {each.code for each in (InputError, CannotWrite, Interrupted, Preempted)}
ATTEMPTS = 20  # how many trials to try for a valid config


class Searching:
    """One process's part of a search, or all of it.

    Args:
        setup: what Hydra gives.
        given: overrides in Hydra's grammar; those with several values define the search space.
        settings: of the sweep.

    Raises:
        ConfigError: a setting of the search that cannot be.
    """

    def __init__(self, setup: Setup, given: Sequence[str], settings: Settings) -> None:
        assert settings.sampler is not None
        if settings.pruner is not None:
            build(settings.pruner, what="hydra.sweeper.pruner")
        self.setup, self.settings, self.count = setup, settings, settings.trials
        overrides = parsed(setup.loader, given)
        fixed = BasicSweeper.split_arguments([each for each in overrides if not each.is_sweep_override()], None)[0][0]
        # The number of threads is part of a run's identity, so a study has one number, whatever launches it.
        own = [] if any(word.startswith("threads=") for word in fixed) else [f"threads={available_cores()}"]
        self.fixed, space = [*own, *fixed], space_of(overrides)
        config = self.valid_config(Proposals(space, settings.sampler, settings.seed, "min", settings.parallel))
        self.monitor = config["monitor"]
        self.metric, self.mode = monitored(config)
        check_by(settings.by, set(dict(leaves(config))))
        self.by = settings.by or names_of(space, config)
        self.proposals = Proposals(space, settings.sampler, settings.seed, self.mode, settings.parallel)
        self.check_choices()
        self.trials = Trials(setup.place.folder, self.name(config), settings.storage, self.proposals)

    def check_choices(self) -> None:
        """Compose every choice, to find errors early."""
        params = self.proposals.params(0, [])
        for key, distribution in self.proposals.space.items():
            for choice in getattr(distribution, "choices", ()):
                self.check({**params, key: choice})

    def valid_config(self, proposals: Proposals) -> dict[str, Any]:
        """The config of the first trial with a valid one."""
        problems = []
        for number in range(min(self.count, ATTEMPTS)):
            try:
                config = composed(self.setup, self.job(proposals.params(number, [])))
                return resolved(OmegaConf.create(config))
            except ConfigError as problem:
                problems.append(problem)
        raise problems[0]

    def name(self, config: dict[str, Any]) -> str:
        """The study's name: a hash of everything its trials depend on, including code and data."""
        of = (vars(self.proposals), self.settings.pruner, sorted(self.fixed))
        return f"search-{hash_of([fingerprint(config), str(of)])[:10]}"

    def job(self, params: Mapping[str, Any]) -> Job:
        return [*self.fixed, *words(params)]

    def run(self, launch: Launch) -> int:
        """Run the missing trials, batch after batch; returns the exit code of whatever ended the search early, or 0."""
        checked = 0
        while (first := len(known := self.trials.known())) < self.count:
            self.check_stored(known[checked:])
            checked = first
            batch = self.proposals.batch(first)
            numbers = range(first, min(batch.stop, self.count))
            judge = self.judge(known[: batch.start])
            params = [self.proposals.params(number, known) for number in numbers]
            for each in params:
                self.check(each)
            launch.board.stand(first)
            found = launch.run([self.job(each) for each in params], [shown(each) for each in params], judge)
            if code := max((each.code for each in found.values() if each.code in CIRCUMSTANCES), default=0):
                return code
            if len(found) < len(numbers):
                return 0
            outcomes = [self.judged(outcome, judge) for _, outcome in sorted(found.items())]
            self.trials.keep(first, list(zip(params, outcomes, strict=True)))
        return 0

    def check(self, params: Mapping[str, Any]) -> None:
        """Compose a trial's config, to find errors early; raise ConfigError if it monitors another metric."""
        config = composed(self.setup, self.job(params))
        check_chosen(config, params.keys())
        if config["monitor"] != self.monitor:
            raise ConfigError(
                f"{' '.join(words(params))}: monitor differs from that of other trials; a search needs a single metric"
            )

    def judge(self, known: Sequence[FrozenTrial]) -> dict[str, Any] | None:
        """The judge's arguments for a trial: the values of the trials finished before its batch."""
        if self.settings.pruner is None:
            return None
        finished = [trial.intermediate_values for trial in known if trial.state == TrialState.COMPLETE]
        trials = [{str(epoch): value for epoch, value in values.items()} for values in finished if values]
        return {"metric": self.metric, "mode": self.mode, "pruner": self.settings.pruner, "trials": trials}

    def judged(self, outcome: Outcome, judge: dict[str, Any] | None) -> Outcome:
        """The outcome as if the run had been judged while it ran, even if it was finished earlier without a judge."""
        if judge is None or outcome.status != "finished":
            return outcome
        judgement = Judgement(**{name: judge[name] for name in ("mode", "pruner", "trials")})
        epoch = judgement.pruned(outcome.values)
        if epoch is None:
            return outcome
        values = {each: value for each, value in outcome.values.items() if int(each) <= epoch}
        error = reason(epoch, self.metric, float(values[str(epoch)]))
        return replace(outcome, status="pruned", values=values, error=error)

    def check_stored(self, trials: Sequence[FrozenTrial]) -> None:
        """Raise InputError if stored trials are not what their runs gave."""
        store, url = str(self.setup.place.folder / FILE), self.settings.storage
        check_stored(trials, self.metric, f"the study in {url}" if url else store, elsewhere=url is not None)

    def conclude(self) -> None:
        """Report on all trials, and print the best.

        Raises:
            InputError: some are not what their runs gave.
        """
        found = self.trials.known()[: self.count]
        self.check_stored(found)
        ran = [trial for trial in found if trial.user_attrs["folder"]]
        lost = [f"trial {trial.number}: {trial.user_attrs['error']}" for trial in found if trial not in ran]
        metric, to = f"best {self.metric}", self.setup.place.folder
        folders = [Path(trial.user_attrs["folder"]) for trial in ran]
        report(folders, lost, to, self.by, metric, lower=self.mode == "min")
        if failed := sum(trial.user_attrs["status"] == "failed" for trial in found):
            where = self.settings.storage or to / FILE
            print(f"\n{failed} failed; delete {where} to try them again")
        best = self.trials.best(self.count)
        if best is None:
            print("\nno trial has finished", file=sys.stderr)
        else:
            command = shlex.join([*called().split(), *flags(sys.argv[1:]), *self.job(best.params)])
            print(f"\nbest     trial {best.number} of {len(found)}: {metric} {best.values[0]:.4g}")
            print(f"folder   {best.user_attrs['folder']}\nagain    {command}")


def search(setup: Setup, given: Sequence[str], settings: Settings) -> None:
    """Run the missing trials, and report on all of them.

    Args:
        setup: what Hydra gives.
        given: overrides; those with several values define the search space.
        settings: of the sweep.

    Raises:
        ConfigError: a setting of the search that cannot be.
        SystemExit: the search, or every one of its trials, failed.
    """
    searching = Searching(setup, given, settings)
    with launching(setup, searching.count, None) as launch:
        code = searching.run(launch)
    searching.conclude()
    if not code and searching.trials.best(searching.count) is None:
        code = max((outcome.code for outcome in launch.board.outcomes.values()), default=0)
    launch.end(code)


def names_of(space: Space, config: dict[str, Any]) -> list[str] | None:
    """The settings in which trials differ, as reports name them; None if the report has to find them.

    A part chosen by name is a dict of settings; an experiment is not a part.
    """
    names = []
    for key in space:
        path = key.lstrip("+")
        value = look_up(config, path)
        if isinstance(value, dict):
            path = f"{path}.name"
        if look_up(config, path) is MISSING or (isinstance(value, dict) and "name" not in value):
            return None
        names.append(path)
    return names


def flags(arguments: Sequence[str]) -> list[str]:
    """Hydra's flags that locate configs."""
    kept = []
    for place, word in enumerate(arguments):
        name, given, _ = word.partition("=")
        if name in ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn"):
            kept += [word] if given else list(arguments[place : place + 2])
    return kept
