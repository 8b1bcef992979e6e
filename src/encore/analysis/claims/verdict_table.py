"""The verdicts on all claims, as text and files."""

from dataclasses import dataclass
from pathlib import Path

from encore.analysis.claims.verdict import Verdict
from encore.analysis.results.table_formats import Rows, aligned, literal, markdown
from encore.errors import CannotWrite, EncoreError
from encore.files import write_json, write_text

HEADING = ["experiment", "claim", "published", "measured", "difference", "holds", "source"]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on all claims."""

    verdicts: list[Verdict]

    @property
    def problems(self) -> list[EncoreError]:
        """What prevented claims from being checked, each once."""
        return list({str(each.problem): each.problem for each in self.verdicts if each.problem is not None}.values())

    @property
    def failing(self) -> int:
        return sum(verdict.fails for verdict in self.verdicts)

    def rows(self, disputed: bool) -> Rows:
        """The table of disputed claims, with reasons, or of all others; empty if there are none."""
        chosen = [verdict for verdict in self.verdicts if bool(verdict.claim.disputed) == disputed]
        reasons = [[str(verdict.claim.disputed)] if disputed else [] for verdict in chosen]
        heading = [[*HEADING, *["disputed"] * disputed]] if chosen else []
        return heading + [verdict.row() + reason for verdict, reason in zip(chosen, reasons, strict=True)]

    def summary(self) -> str:
        kinds = {
            "hold": sum(verdict.holds is True and not verdict.claim.disputed for verdict in self.verdicts),
            "fail": self.failing,
            "not checked": sum(verdict.holds is None and not verdict.claim.disputed for verdict in self.verdicts),
            "disputed": sum(bool(verdict.claim.disputed) for verdict in self.verdicts),
        }
        return f"{len(self.verdicts)} claims: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)

    def text(self) -> str:
        tables = [aligned(rows) for disputed in (False, True) if (rows := self.rows(disputed))]
        return "\n\n".join([*tables, self.summary()])

    def write(self, folder: Path) -> None:
        """Write claims.md and claims.json.

        Raises:
            CannotWrite: they cannot be written.
        """
        parts = ["# Claims", literal(self.summary())]
        for title, disputed in (("", False), ("## Disputed", True)):
            if rows := self.rows(disputed):
                parts += [*[title] * bool(title), markdown(rows)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "claims.md", "\n\n".join(parts) + "\n")
            write_json(folder / "claims.json", [verdict.plain() for verdict in self.verdicts])
        except OSError as problem:
            raise CannotWrite(f"--out {folder} cannot be written: {problem}") from problem
