"""What has happened to an aggregate, kept on it until it is saved together with it."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True, eq=False)
class EventRecorder:
    """An aggregate that remembers what happened to it since it was loaded."""

    events: list[object] = field(default_factory=list, repr=False)

    def take_events(self) -> list[object]:
        """The events so far, in order; they are forgotten here."""
        taken, self.events = self.events, []
        return taken
