"""One run, from a config to its result, without torch until there is something to compute."""

from encore.record.record import Record
from encore.record.result import Result
from encore.stopping import Stop


def execute(cfg: dict) -> Result:
    """Train, test and record one run of a checked config; a finished one is not run again.

    Raises:
        EncoreError: what stopped it; its `code` is the exit code.
    """
    with Stop() as stop, Record.open(cfg) as record:
        if record.result.status == "finished":
            print(f"finished already: {record.folder} (fresh=true runs it again)")
            return record.result
        from encore.training import train

        return train(cfg, record, stop)
