"""How long to wait before something that failed is tried again."""

from datetime import timedelta


def doubled(tries: int, *, first: timedelta = timedelta(seconds=1), most: timedelta) -> timedelta:
    """The first pause, doubled as often as it was tried already, and never longer than `most`."""
    # So often that any pause has grown to its most, and no number overflows.
    grown: timedelta = first * 2 ** min(tries, 20)
    return min(grown, most)
