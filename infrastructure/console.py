"""A command that shows what it would change, asks, and changes it: what it says where, and how it ends."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TextIO

from application.ports import Begin

DONE, NOT_DONE, REFUSED, STOPPED = 0, 1, 2, 130
_YES = {"y", "yes", "д", "да"}

Opened = Callable[[], AbstractAsyncContextManager[Begin]]
"""Opens storage for one step, so that nothing is held while a file is read or a question waits."""


class Ends(Exception):
    """The command ends here, with these lines on stderr and this exit code."""

    def __init__(self, code: int, *lines: str) -> None:
        super().__init__(*lines)
        self.code = code
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Console:
    """Where to say what. `ask` shows a question and answers with what was typed; None: nobody is there to type."""

    out: TextIO
    err: TextIO
    ask: Callable[[str], str] | None = None

    def say(self, *lines: str) -> None:
        """What the command is for."""
        for line in lines:
            print(line, file=self.out, flush=True)

    def tell(self, *lines: str) -> None:
        """How it goes, and what is wrong."""
        for line in lines:
            print(line, file=self.err, flush=True)

    def agree(self) -> None:
        """Asks whether to go on. Raises Ends if the answer is anything but yes."""
        if self.ask is None:
            raise Ends(NOT_DONE, "Nobody is there to be asked. With --yes it is applied without asking.")
        try:
            answer = self.ask("Apply? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().casefold() not in _YES:
            raise Ends(NOT_DONE, "Nothing was changed.")

    def interrupted(self, *, applying: bool) -> int:
        """Says what Ctrl-C left behind, and answers with the exit code."""
        self.tell("", "Stopped. Run it again to see what is left." if applying else "Stopped. Nothing was changed.")
        return STOPPED
