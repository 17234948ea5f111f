"""What a bundle's manifest says: the version, and for each file whether it is bulk, delta or absent."""

from dataclasses import dataclass, field

from domain.register import Mode
from infrastructure.oneroster.faults import Faults, shown
from infrastructure.oneroster.files import MANIFEST, Files, Unreadable
from infrastructure.oneroster.table import Table

VERSIONS = ("1.1", "1.2")
MODES = {mode.lower(): mode for mode in Mode}


@dataclass(slots=True, eq=False)
class Manifest:
    """`modes` by the files' names in small letters, without ".csv"; a file that is not named is absent."""

    version: str = ""
    modes: dict[str, Mode] = field(default_factory=dict)

    def mode(self, kind: str) -> Mode:
        """Of the file `kind`.csv."""
        return self.modes.get(kind.lower(), Mode.ABSENT)


def open_table(
    files: Files, name: str, faults: Faults, columns: tuple[tuple[str, ...], tuple[str, ...]]
) -> Table | None:
    """The file as a table of the columns that are wanted, and required; None, and a fault, when it cannot be opened."""
    try:
        return Table(name, files.open(name), faults, *columns)
    except Unreadable as error:
        faults.add(name, None, None, str(error))
        return None


def read_manifest(files: Files, faults: Faults) -> Manifest:
    """Raises BadBundle when the manifest itself is bad; a missing file is one more fault."""
    manifest = Manifest()
    seen: set[str] = set()
    table = open_table(files, MANIFEST, faults, (("propertyName", "value"), ("propertyName", "value")))
    for property_raw, value_raw in table or ():
        property, value = property_raw.strip().lower(), value_raw.strip().lower()
        if property in seen and table is not None:
            table.fault("propertyName", f"is {shown(property)}, as in a row before")
        seen.add(property)
        kind = property.removeprefix("file.")
        if property == "oneroster.version":
            manifest.version = value
        elif kind != property and value in MODES:
            manifest.modes[kind] = MODES[value]
        elif kind != property and table is not None:
            table.fault("value", f"is none of {', '.join(MODES)} for {shown(property)}")
    if manifest.version not in VERSIONS and not faults.kept:
        faults.add(MANIFEST, None, None, "has no oneroster.version, or another than 1.1 or 1.2")
    faults.refuse()
    for kind, mode in manifest.modes.items():
        if mode is not Mode.ABSENT and f"{kind}.csv" not in files.entries:
            faults.add(shown(f"{kind}.csv"), None, None, f"is missing, though the manifest calls it {mode.lower()}")
    return manifest
