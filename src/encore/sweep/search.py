"""A search for the settings that give the best monitored metric."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from omegaconf import open_dict
from optuna.trial import FrozenTrial, TrialState

from encore.build import build
from encore.compose import plain
from encore.config import look_up
from encore.errors import CannotWrite, InputError, Interrupted, Preempted
from encore.fingerprint import fingerprint, hash_of
from encore.sweep.board import Job
from encore.sweep.grid import parsed, report_folder
from encore.sweep.launch import Launch, launching, report
from encore.sweep.outcome import Outcome
from encore.sweep.proposals import Proposals
from encore.sweep.settings import Settings
from encore.sweep.space import shown, space_of, words
from encore.sweep.trials import Trials, waiting_for

if TYPE_CHECKING:
    from hydra_plugins.encore_plugins import Encore

# Exit codes that say nothing of a trial's settings: it is not stored, and the search ends.
CIRCUMSTANCES = {each.code for each in (InputError, CannotWrite, Interrupted, Preempted)}


class Searching:
    """One process's part of a search, which may be all of it.

    Args:
        sweeper: Hydra's, set up.
        words: overrides in Hydra's grammar; those with several values say where to look.
        settings: of the sweep.

    Raises:
        ConfigError: a setting of the search that cannot be.
    """

    def __init__(self, sweeper: "Encore", words: Sequence[str], settings: Settings) -> None:
        assert settings.sampler is not None
        self.sweeper, self.settings, self.count = sweeper, settings, settings.trials
        self.monitor, self.folder = sweeper.config.monitor, report_folder(sweeper)
        if settings.pruner is not None:
            build(settings.pruner, what="hydra.sweeper.pruner")
        overrides = parsed(sweeper, words)
        fixed = [each for each in overrides if not each.is_sweep_override()]
        self.fixed = BasicSweeper.split_arguments(fixed, None)[0][0]
        self.proposals = Proposals(
            space_of(overrides), settings.sampler, settings.seed, self.monitor.mode, settings.parallel
        )
        config = self.first_config()
        # A part that is chosen by its name is a dict of settings.
        names = [f"{key}.name" if isinstance(look_up(config, key), dict) else key for key in self.proposals.space]
        self.by = settings.by or names
        self.trials = Trials(self.folder, self.name(config), settings.storage, self.proposals)

    def first_config(self) -> dict[str, Any]:
        """The config of the first trial."""
        job = list(self.job(self.proposals.params(0, [])))
        self.sweeper.validate_batch_is_legal([job])
        composed = self.sweeper.hydra_context.config_loader.load_sweep_config(self.sweeper.config, job)
        with open_dict(composed):
            del composed["hydra"]
        return plain(composed)

    def name(self, config: dict[str, Any]) -> str:
        """The study's: of all that its trials follow from, the code and data that they run with among it."""
        of = (vars(self.proposals), self.settings.pruner, self.fixed)
        return f"search-{hash_of([fingerprint(config), str(of)])[:10]}"

    def job(self, params: dict[str, Any]) -> Job:
        """A trial's overrides."""
        return [*self.fixed, *words(params)]

    def run(self, launch: Launch) -> int:
        """Run the trials that are missing, batch after batch; returns the code of what ended it before its time."""
        while (first := len(self.trials.known())) < self.count:
            batch = range(first, min(self.proposals.batch(first).stop, self.count))
            known = self.trials.known()
            params = {number: self.proposals.params(number, known) for number in batch}
            outcomes = self.outcomes(launch, params, self.judge(known[: self.proposals.batch(first).start]))
            code = max((outcome.code for outcome in outcomes.values() if outcome.code in CIRCUMSTANCES), default=0)
            if code or len(outcomes) < len(batch):
                return code
            self.trials.keep(first, [(params[number], outcomes[number]) for number in batch])
        return 0

    def outcomes(
        self, launch: Launch, params: dict[int, dict[str, Any]], judge: dict[str, Any] | None
    ) -> dict[int, Outcome]:
        """What became of trials, by number, here or in another process; none of those of which nothing was heard."""
        found: dict[int, Outcome] = {}
        missing = list(params)
        while missing:
            jobs, labels = [self.job(params[each]) for each in missing], [shown(params[each]) for each in missing]
            heard = launch.run(jobs, labels, judge)
            found |= {number: outcome for number, outcome in zip(missing, heard, strict=True) if outcome is not None}
            missing = [number for number in missing if number in found and found[number].status == "busy"]
            for number in missing:  # another process runs it: its result is ours
                with waiting_for(Path(str(found.pop(number).folder)), seconds=0.5):
                    pass
        return found

    def judge(self, known: Sequence[FrozenTrial]) -> dict[str, Any] | None:
        """What may prune a trial: the values of the trials before its batch."""
        if self.settings.pruner is None:
            return None
        finished = [trial.intermediate_values for trial in known if trial.state == TrialState.COMPLETE]
        return {
            "metric": self.monitor.metric,
            "mode": self.monitor.mode,
            "pruner": self.settings.pruner,
            "trials": [{str(epoch): value for epoch, value in values.items()} for values in finished if values],
        }

    def conclude(self) -> None:
        """Report on all trials, and say which is the best."""
        found = self.trials.known()[: self.count]
        ran = [trial for trial in found if trial.user_attrs["folder"]]
        lost = [f"trial {trial.number}: {trial.user_attrs['error']}" for trial in found if trial not in ran]
        metric = f"best {self.monitor.metric}"
        folders = [Path(trial.user_attrs["folder"]) for trial in ran]
        report(folders, lost, self.folder, self.by, metric, self.monitor.mode == "min")
        if failed := sum(trial.user_attrs["status"] == "failed" for trial in found):
            where = self.settings.storage or self.folder / "study.journal"
            print(f"\n{failed} failed; without {where} they are tried again")
        if (best := self.trials.best(self.count)) is not None:
            command = shlex.join(["python", "train.py", *self.job(best.params)])
            print(f"\nbest     trial {best.number} of {len(found)}: {metric} {best.values[0]:.4g}")
            print(f"folder   {best.user_attrs['folder']}\nagain    {command}")


def search(sweeper: "Encore", words: Sequence[str], settings: Settings) -> None:
    """Run the trials that are missing, and report on all of them.

    Args:
        sweeper: Hydra's, set up.
        words: overrides; those with several values say where to look.
        settings: of the sweep.

    Raises:
        ConfigError: a setting of the search that cannot be.
        SystemExit: the search could not be finished, or none of its trials.
    """
    searching = Searching(sweeper, words, settings)
    known = min(len(searching.trials.known()), searching.count)
    with launching(sweeper, searching.count, ["best"], known) as launch:
        code = searching.run(launch)
    searching.conclude()
    if not code and searching.trials.best(searching.count) is None:
        code = max((outcome.code for outcome in launch.board.outcomes.values()), default=0)
    launch.end(code)
