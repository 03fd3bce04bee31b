"""Durations ("90s", "1h30m", "7d") and sizes ("256KiB") as people write them."""

import re

#: Milliseconds of each unit, longest first: a duration names its units in this order.
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

#: Bytes of each unit.
SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

#: Longer than any retry or window here makes sense; keeps microseconds far inside 64 bits.
LONGEST = 10 * 366 * UNITS["d"]

_DURATION = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit})?" for unit in UNITS))
_SIZE = re.compile(r"([0-9]{1,18}) ?(B|KiB|MiB|GiB)?")


def parse_duration(text: str) -> float:
    """Seconds in a text like "500ms", "90s", "5m", "24h", "7d" or "1h30m" (contract).

    Whole numbers only, units from the longest to the shortest, each at most once. A bare number is
    refused: nobody should have to guess its unit.

    Raises:
        ValueError: the text is no duration, or one longer than ten years. Never quotes the text.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError("This is not a duration.")
    counts = zip(match.groups(), UNITS.values(), strict=True)
    milliseconds = sum(int(count) * unit for count, unit in counts if count is not None)
    if milliseconds > LONGEST:
        raise ValueError("This is longer than ten years.")
    return milliseconds / 1000


def parse_size(text: str) -> int:
    """Bytes in a text like "262144", "256KiB" or "1 MiB".

    Raises:
        ValueError: the text is no size. Never quotes the text.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("This is not a size.")
    return int(match[1]) * SIZES[match[2] or "B"]
