"""A CSV file row by row: UTF-8, RFC 4180, a header that names the columns, every row as long as the header."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from operator import itemgetter

from infrastructure.oneroster.faults import Faults, shown
from infrastructure.oneroster.files import Unreadable

LONGEST_ROW = 1 << 20
# As `surrogateescape` shows a byte that is not UTF-8.
NOT_UTF8 = re.compile("[\ud800-\udfff]")


class _Stop(Exception):
    """Nothing from this line on can be trusted; the message is the fault's `what`."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line


class Table:
    """The wanted columns of a file's rows.

    `line` is where the present row begins. `complete` is False once rows were lost to faults, so that a reference to
    this file cannot be judged.
    """

    def __init__(
        self, file: str, stream: io.BufferedReader, faults: Faults, columns: tuple[str, ...], required: tuple[str, ...]
    ) -> None:
        """`required` columns must be in the header, of "one/other" at least one; other wanted columns read as blank."""
        self.file = file
        self.line: int | None = None
        self.complete = True
        self._stream = stream
        self._faults = faults
        self._columns = columns
        self._required = required
        self._row_length = 0

    def fault(self, column: str | None, what: str, line: int | None = None) -> None:
        """Notes a fault of the present row, or of the row that begins at `line`."""
        self._faults.add(self.file, line or self.line, column, what)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """The wanted columns of each row, as they are."""
        try:
            yield from self._rows()
        except _Stop as stop:
            self._lost(stop.line, str(stop))
        except csv.Error:
            self._lost(self.line, "is not CSV from here on: a quote is not closed, or text follows a closing quote")
        except Unreadable as error:
            self._lost(None, str(error))
        finally:
            self._stream.close()

    def _lost(self, line: int | None, what: str) -> None:
        self.complete = False
        self._faults.add(self.file, line, None, what)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        reader = csv.reader(self._lines(), strict=True)
        pick = None
        width = 0
        self.line = 1
        for row in reader:
            self._row_length = 0
            if not row:
                pass
            elif pick is None:
                width = len(row)
                pick = self._header(row)
                if pick is None:
                    self.complete = False
                    return
            elif len(row) != width:
                self._lost(self.line, f"has {len(row)} fields where the header has {width}")
            else:
                # Where columns that the header has not point to.
                row.append("")
                yield pick(row)
            self.line = reader.line_num + 1
        if pick is None:
            self._lost(None, "is empty; even a file without rows has a header")

    def _lines(self) -> Iterator[str]:
        # Without translation of line ends, so that each physical line counts, a quoted one too.
        text = io.TextIOWrapper(self._stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        physical = 0
        while line := text.readline(LONGEST_ROW + 1):
            physical += 1
            self._row_length += len(line)
            if not line.isascii() and NOT_UTF8.search(line):
                raise _Stop(physical, "is not UTF-8")
            if "\0" in line:
                raise _Stop(physical, "has a NUL byte")
            if self._row_length > LONGEST_ROW:
                raise _Stop(self.line, f"is a row of more than {LONGEST_ROW} characters; is a quote not closed?")
            yield line

    def _header(self, row: list[str]) -> Callable[[list[str]], tuple[str, ...]] | None:
        names = [name.strip().lower() for name in row]
        missing = [wanted for wanted in self._required if not any(name.lower() in names for name in wanted.split("/"))]
        for wanted in missing:
            self.fault(wanted, "is missing from the header")
        if missing:
            # What stands there may be no header at all, so that nothing of it is shown.
            return None
        twice = [name for place, name in enumerate(names) if name and name in names[:place]]
        for name in dict.fromkeys(twice):
            self.fault(shown(name), "is twice in the header")
        places = [names.index(column.lower()) if column.lower() in names else -1 for column in self._columns]
        pick: itemgetter[tuple[str, ...]] = itemgetter(*places)  # type: ignore[arg-type]
        return None if twice else pick
