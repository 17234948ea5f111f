"""What is wrong with a bundle, told by file, line and column, without anybody's name (ROSTER-03)."""

from dataclasses import dataclass, field

MOST_KEPT = 100
LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """`line` is the physical line where the row begins, 1 for a header on top; `what` is said of the file or column."""

    file: str
    line: int | None
    column: str | None
    what: str

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        column = "" if self.column is None else f", column {self.column}"
        return f"{self.file}{line}{column}: {self.what}"


class BadBundle(Exception):
    """Nothing of the bundle is to be applied; `more` is how many faults were found besides those that are kept."""

    def __init__(self, faults: tuple[Fault, ...], more: int = 0) -> None:
        super().__init__(faults, more)
        self.faults = faults
        self.more = more

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults]
        return "\n".join([*lines, f"and {self.more} more faults"] if self.more else lines)


@dataclass(slots=True, eq=False)
class Faults:
    """The faults found so far: the first hundred, and how many more."""

    kept: list[Fault] = field(default_factory=list)
    more: int = 0

    def add(self, file: str, line: int | None, column: str | None, what: str) -> None:
        """Keeps one more fault, or counts it."""
        if len(self.kept) < MOST_KEPT:
            self.kept.append(Fault(file, line, column, what))
        else:
            self.more += 1

    def refusal(self) -> BadBundle:
        """All of them as one."""
        return BadBundle(tuple(self.kept), self.more)

    def refuse(self) -> None:
        """Raises BadBundle if there is any fault."""
        if self.kept:
            raise self.refusal()


def shown(text: str) -> str:
    """A file's name or a column's, short and on one line."""
    plain = text if text.isprintable() else ascii(text)
    return plain if len(plain) <= LONGEST_SHOWN else f"{plain[:LONGEST_SHOWN]}…"
