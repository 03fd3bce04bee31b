"""Durations and sizes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from casebell.settings import parse_duration
from casebell.settings.values import SIZES, UNITS, Size

SIZE: TypeAdapter[int] = TypeAdapter(Size)
SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("5m", 300.0),
        ("24h", 86_400.0),
        ("7d", 604_800.0),
        ("500ms", 0.5),
        ("1h30m", 5_400.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """Every spelling of docs/configuration.md is understood, and units can be combined."""
    assert parse_duration(text) == seconds


@given(st.dictionaries(st.sampled_from(list(UNITS)), st.integers(0, 300), min_size=1))
def test_a_duration_is_the_sum_of_its_units(counts: dict[str, int]) -> None:
    """Any units from the longest to the shortest add up."""
    text = "".join(f"{counts[unit]}{unit}" for unit in UNITS if unit in counts)
    expected = sum(count * SECONDS[unit] for unit, count in counts.items())
    assert parse_duration(text) == pytest.approx(expected, abs=1e-6)


@given(st.text(alphabet="0123456789dhms. -+x\n٣"))
@example("")
@example("5")
@example("m")
@example("30m1h")
@example("1h1h")
@example("1.5h")
@example("-5m")
@example("5 m")
@example("5m\n")
@example("٣m")
@example("5M")
@example("3661d")
@example("9" * 5_000 + "s")
def test_a_duration_is_understood_or_refused(text: str) -> None:
    """Any other text is a ValueError that does not quote it; nothing negative or endless passes."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        assert 0 <= seconds <= 3660 * 86_400
        assert text.isascii()
        assert text[-1] in "dhms"
    assert said in ("", "This is not a duration.", "This is longer than ten years.")


@pytest.mark.parametrize(
    "text", ["", "5", "m", "30m1h", "1h1h", "1.5h", "-5m", "5 m", "5m\n", "٣m", "5M", "3661d"]
)
def test_what_is_no_duration(text: str) -> None:
    """Bare numbers, fractions, signs, other orders and other scripts' digits are refused."""
    with pytest.raises(ValueError, match="This is"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("262144", 262_144), ("256KiB", 262_144), ("1 MiB", 1_048_576), ("5B", 5), ("0", 0)],
)
def test_a_size_is_bytes(text: str, size: int) -> None:
    """Bare numbers are bytes, units are powers of 1024."""
    assert SIZE.validate_python(text) == size


@given(st.integers(0, 10**9), st.sampled_from(list(SIZES)))
def test_a_size_is_count_times_unit(count: int, unit: str) -> None:
    """Every unit multiplies."""
    assert SIZE.validate_python(f"{count}{unit}") == count * SIZES[unit]


@pytest.mark.parametrize("text", ["", "KiB", "1kb", "1.5MiB", "-1", "1KiB\n", "٣", "1TiB"])
def test_what_is_no_size(text: str) -> None:
    """Other units, fractions and signs are refused."""
    with pytest.raises(ValidationError, match=r"This is not a size\."):
        SIZE.validate_python(text)
