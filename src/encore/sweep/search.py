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

from encore.build import build
from encore.compose import available_cores, plain
from encore.config import MISSING, leaves, look_up, monitored
from encore.errors import CannotWrite, ConfigError, InputError, Interrupted, Preempted
from encore.fingerprint import fingerprint, hash_of
from encore.sweep.board import Job
from encore.sweep.combinations import parsed
from encore.sweep.grid import check_by, composed
from encore.sweep.judge import Judgement, reason
from encore.sweep.launch import Launch, launching
from encore.sweep.outcome import Outcome
from encore.sweep.place import Setup
from encore.sweep.proposals import Proposals
from encore.sweep.report import report
from encore.sweep.settings import Settings
from encore.sweep.space import Space, shown, space_of, words
from encore.sweep.trials import Trials

# Exit codes that say nothing of a trial's settings: it is not stored, and the search ends.
CIRCUMSTANCES = {each.code for each in (InputError, CannotWrite, Interrupted, Preempted)}
ATTEMPTS = 20  # trials in which one is looked for whose config is valid


class Searching:
    """One process's part of a search, which may be all of it.

    Args:
        setup: what Hydra gives.
        given: overrides in Hydra's grammar; those with several values say where to look.
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
        # A study is of one number of threads, which are part of a run, whatever launches it.
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
        """Raise what composing raises, for every choice that there is."""
        params = self.proposals.params(0, [])
        for key, distribution in self.proposals.space.items():
            for choice in getattr(distribution, "choices", ()):
                self.check({**params, key: choice})

    def valid_config(self, proposals: Proposals) -> dict[str, Any]:
        """The config of the first trial that has a valid one."""
        problems = []
        for number in range(min(self.count, ATTEMPTS)):
            try:
                config = composed(self.setup, self.job(proposals.params(number, [])))
                return plain(OmegaConf.create(config))
            except ConfigError as problem:
                problems.append(problem)
        raise problems[0]

    def name(self, config: dict[str, Any]) -> str:
        """The study's: of all that its trials follow from, the code and data that they run with among it."""
        of = (vars(self.proposals), self.settings.pruner, sorted(self.fixed))
        return f"search-{hash_of([fingerprint(config), str(of)])[:10]}"

    def job(self, params: Mapping[str, Any]) -> Job:
        """A trial's overrides."""
        return [*self.fixed, *words(params)]

    def run(self, launch: Launch) -> int:
        """Run the trials that are missing, batch after batch; returns the code of what ended it before its time."""
        while (first := len(known := self.trials.known())) < self.count:
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
        """Raise what composing a trial's config raises, and ConfigError where another metric is monitored in it."""
        if composed(self.setup, self.job(params))["monitor"] != self.monitor:
            raise ConfigError(
                f"{' '.join(words(params))}: monitor is not that of other trials; a search needs one metric"
            )

    def judge(self, known: Sequence[FrozenTrial]) -> dict[str, Any] | None:
        """What may prune a trial: the values of the finished trials before its batch."""
        if self.settings.pruner is None:
            return None
        finished = [trial.intermediate_values for trial in known if trial.state == TrialState.COMPLETE]
        trials = [{str(epoch): value for epoch, value in values.items()} for values in finished if values]
        return {"metric": self.metric, "mode": self.mode, "pruner": self.settings.pruner, "trials": trials}

    def judged(self, outcome: Outcome, judge: dict[str, Any] | None) -> Outcome:
        """An outcome as if the run had been watched, also if it was finished before, without anyone who watched."""
        if judge is None or outcome.status != "finished":
            return outcome
        judgement = Judgement(**{name: judge[name] for name in ("mode", "pruner", "trials")})
        epoch = judgement.pruned(outcome.values)
        if epoch is None:
            return outcome
        values = {each: value for each, value in outcome.values.items() if int(each) <= epoch}
        error = reason(epoch, self.metric, float(values[str(epoch)]))
        return replace(outcome, status="pruned", values=values, error=error)

    def conclude(self) -> None:
        """Report on all trials, and say which is the best."""
        found = self.trials.known()[: self.count]
        ran = [trial for trial in found if trial.user_attrs["folder"]]
        lost = [f"trial {trial.number}: {trial.user_attrs['error']}" for trial in found if trial not in ran]
        metric, to = f"best {self.metric}", self.setup.place.folder
        folders = [Path(trial.user_attrs["folder"]) for trial in ran]
        report(folders, lost, to, self.by, metric, lower=self.mode == "min")
        if failed := sum(trial.user_attrs["status"] == "failed" for trial in found):
            where = self.settings.storage or to / "study.journal"
            print(f"\n{failed} failed; without {where} they are tried again")
        best = self.trials.best(self.count)
        if best is None:
            print("\nno trial has finished", file=sys.stderr)
        else:
            command = shlex.join(["python", "train.py", *flags(sys.argv[1:]), *self.job(best.params)])
            print(f"\nbest     trial {best.number} of {len(found)}: {metric} {best.values[0]:.4g}")
            print(f"folder   {best.user_attrs['folder']}\nagain    {command}")


def search(setup: Setup, given: Sequence[str], settings: Settings) -> None:
    """Run the trials that are missing, and report on all of them.

    Args:
        setup: what Hydra gives.
        given: overrides; those with several values say where to look.
        settings: of the sweep.

    Raises:
        ConfigError: a setting of the search that cannot be.
        SystemExit: the search could not be finished, or none of its trials.
    """
    searching = Searching(setup, given, settings)
    with launching(setup, searching.count, None) as launch:
        code = searching.run(launch)
    searching.conclude()
    if not code and searching.trials.best(searching.count) is None:
        code = max((outcome.code for outcome in launch.board.outcomes.values()), default=0)
    launch.end(code)


def names_of(space: Space, config: dict[str, Any]) -> list[str] | None:
    """The settings in which trials differ, as a report knows them; None where what differs has to be found.

    A part that is chosen by its name is a dict of settings; an experiment is none of them.
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
    """Hydra's flags that say where configs are."""
    kept = []
    for place, word in enumerate(arguments):
        name, given, _ = word.partition("=")
        if name in ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn"):
            kept += [word] if given else list(arguments[place : place + 2])
    return kept
