"""The files of a bundle, in a folder or a zip archive, read within bounds whatever their headers say."""

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infrastructure.oneroster.faults import Faults, shown

MANIFEST = "manifest.csv"
# What a broken archive or a failing disk makes zipfile raise.
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError,
    NotImplementedError, RuntimeError, ValueError, OverflowError, IndexError,
)  # fmt: skip
# The list of a hundred files fits many times; zipfile reads the whole list at once, however long it is.
LONGEST_READ = 1 << 20
DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many files and bytes unpacked; past `ratio_from` bytes, at most `ratio` times the packed size."""

    files: int = 100
    bytes: int = 2 << 30
    ratio: int = 200
    ratio_from: int = 10 << 20


class Unreadable(Exception):
    """A file cannot be read, or not within the bounds; the message is a fault's `what`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One regular file: the parts of its path, its size and packed size in bytes as stated, and how to open it."""

    parts: tuple[str, ...]
    size: int
    packed: int | None
    open: Callable[[], Any]

    @property
    def path(self) -> str:
        """As the archive or folder has it, fit to be shown."""
        return shown("/".join(self.parts))


class Meter:
    """How many bytes may still be read of the whole bundle."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.left = bounds.bytes

    def spend(self, count: int) -> None:
        """Raises Unreadable once the bundle is larger than its bound."""
        self.left -= count
        if self.left < 0:
            raise Unreadable(f"the files are larger than {self.bounds.bytes} bytes unpacked")


class Metered(io.RawIOBase):
    """A file's bytes, counted as they come. Raises Unreadable."""

    def __init__(self, entry: Entry, meter: Meter) -> None:
        self._packed = entry.packed
        self._meter = meter
        self._read = 0
        try:
            self._source = entry.open()
        except BROKEN as error:
            raise Unreadable("cannot be read: the archive is broken or the file is not accessible") from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data: bytes = self._source.read(len(buffer))
        except BROKEN as error:
            raise Unreadable("cannot be read: the archive is broken or the file is not accessible") from error
        buffer[: len(data)] = data
        self._read += len(data)
        self._meter.spend(len(data))
        bounds = self._meter.bounds
        if self._packed is not None and self._read > bounds.ratio_from and self._read > self._packed * bounds.ratio:
            raise Unreadable(f"is more than {bounds.ratio} times larger than its packed size")
        return len(data)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_source"):
            self._source.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Files:
    """The files beside the manifest, by their names in small letters; `elsewhere` counts those in other folders."""

    entries: dict[str, Entry]
    elsewhere: int
    meter: Meter

    def open(self, name: str) -> io.BufferedReader:
        """Raises Unreadable, then and while it is read."""
        return io.BufferedReader(Metered(self.entries[name.lower()], self.meter))


@contextmanager
def opened(path: Path, bounds: Bounds) -> Iterator[Files]:
    """The files of a folder or zip archive. Raises BadBundle for what no bundle may have, before anything is read."""
    faults = Faults()
    with ExitStack() as stack:
        if os.path.isdir(path):
            listed = _in_folder(path, faults, bounds)
        else:
            listed = _in_archive(_archive(path, stack, faults), path, faults)
        files = _beside_manifest(listed, path, faults, bounds)
        faults.refuse()
        yield files


class ShortReads(io.FileIO):
    """A file that refuses to be read whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LONGEST_READ:
            raise zipfile.BadZipFile("too long a list of files")
        # Without a size zipfile asks for the archive's short end.
        return super().read(LONGEST_READ if size is None or size < 0 else size)


def _archive(path: Path, stack: ExitStack, faults: Faults) -> zipfile.ZipFile:
    try:
        # An archive does not close a file that it was given.
        return stack.enter_context(zipfile.ZipFile(stack.enter_context(ShortReads(path))))
    except BROKEN:
        faults.add(_name(path), None, None, "is neither a folder nor a zip archive that can be read")
        raise faults.refusal() from None


def _in_archive(archive: zipfile.ZipFile, path: Path, faults: Faults) -> Iterator[Entry]:
    packed_at_most = path.stat().st_size
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        kind = stat.S_IFMT(info.external_attr >> 16)
        if name.startswith("/") or DRIVE.match(name) or ".." in parts:
            faults.add(_name(path), None, None, f"has a path that leads outside: {shown(name)}")
        elif _ignored(parts):
            continue
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            faults.add(_name(path), None, None, f"has a link or a special file: {shown(name)}")
        elif info.flag_bits & 0x41:
            faults.add(_name(path), None, None, f"has an encrypted file: {shown(name)}")
        elif name.endswith("/"):
            continue
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            faults.add(_name(path), None, None, f"has a file packed in another way than deflate: {shown(name)}")
        else:
            packed = min(info.compress_size, packed_at_most)
            yield Entry(parts, info.file_size, packed, partial(archive.open, info))


def _in_folder(path: Path, faults: Faults, bounds: Bounds) -> Iterator[Entry]:
    folders: list[tuple[str, ...]] = [()]
    # The list grows while it is walked.
    for folder in folders:
        if len(folders) > bounds.files:
            faults.add(_name(path), None, None, f"has more than {bounds.files} folders")
            return
        try:
            with os.scandir(path.joinpath(*folder)) as entries:
                found = [(each, each.stat(follow_symlinks=False)) for each in entries if not _ignored((each.name,))]
        except OSError:
            faults.add(_name(path), None, None, f"has a folder that cannot be read: {shown('/'.join(folder))}")
            continue
        for each, about in sorted(found, key=lambda pair: pair[0].name):
            parts = (*folder, each.name)
            if stat.S_ISDIR(about.st_mode):
                folders.append(parts)
            elif stat.S_ISREG(about.st_mode):
                yield Entry(parts, about.st_size, None, partial(io.FileIO, each.path))
            else:
                faults.add(_name(path), None, None, f"has a link or a special file: {shown('/'.join(parts))}")


def _beside_manifest(listed: Iterator[Entry], path: Path, faults: Faults, bounds: Bounds) -> Files:
    by_path: dict[tuple[str, ...], Entry] = {}
    size = 0
    for entry in listed:
        key = tuple(part.lower() for part in entry.parts)
        if key in by_path:
            faults.add(_name(path), None, None, f"has a file twice: {entry.path}")
        by_path[key] = entry
        size += entry.size
        if len(by_path) > bounds.files:
            faults.add(_name(path), None, None, f"has more than {bounds.files} files")
            break
    if size > bounds.bytes:
        faults.add(_name(path), None, None, f"the files are larger than {bounds.bytes} bytes unpacked")
    tops = [key[:-1] for key in by_path if key[-1] == MANIFEST and len(key) <= 2]
    if len(tops) > 1:
        faults.add(_name(path), None, None, "has more than one manifest.csv")
    if not tops:
        # It may be there and be what was refused.
        if not faults.kept:
            faults.add(MANIFEST, None, None, "is missing")
        return Files({}, 0, Meter(bounds))
    beside = {key[-1]: entry for key, entry in by_path.items() if key[:-1] == tops[0]}
    return Files(beside, len(by_path) - len(beside), Meter(bounds))


def _name(path: Path) -> str:
    return shown(path.name or str(path))


def _ignored(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
