"""Where the bars of a chart go: axis, no data, one month, big numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.console.chart import HEIGHT, WIDTH, Chart, Point, chart_of


def months(*values: float | None, partial: bool = False) -> list[Point]:
    """A month for each value, from January on."""
    return [
        Point(month=f"2026-{place:02}", value=value, partial=partial)
        for place, value in enumerate(values, start=1)
    ]


def numbers(chart: Chart) -> list[str]:
    """Those of the axis, from the lowest."""
    return [line.text for line in chart.lines]


@pytest.mark.parametrize(
    ("highest", "axis"),
    [
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (4, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6"]),
        (12.5, ["0", "5", "10", "15"]),
        (1_203, ["0", "500", "1,000", "1,500"]),
        (45_000, ["0", "20k", "40k", "60k"]),
        (1_500_000, ["0", "500k", "1M", "1.5M"]),
        (9e12, ["0", "5,000,000M", "10,000,000M"]),
    ],
)
def test_the_axis(highest: float, axis: list[str]) -> None:
    """Few lines, at round numbers, in few characters; the bars end below the highest."""
    assert numbers(chart_of("Denials", months(0, highest))) == axis


def test_bars_are_as_tall_as_their_numbers() -> None:
    """They stand on zero, side by side in their order, and end at their numbers."""
    chart = chart_of("Denials", months(2, 4, 0, 1))
    first, second, fourth = chart.bars
    assert [bar.text for bar in chart.bars] == ["2026-01: 2", "2026-02: 4", "2026-04: 1"]
    assert {round(bar.y + bar.height, 1) for bar in chart.bars} == {chart.bottom}
    assert chart.lines[0].at == chart.bottom
    assert second.y == chart.lines[-1].at
    assert (first.height, fourth.height) == (second.height / 2, second.height / 4)
    assert chart.left < first.x < second.x < fourth.x < chart.right
    assert round(fourth.x - second.x, 1) == round(2 * (second.x - first.x), 1)


@pytest.mark.parametrize("value", [0, None])
def test_nothing_to_show(value: float | None) -> None:
    """An axis without bars, and a description that says so."""
    chart = chart_of("Denials", months(value, value))
    assert chart.bars == ()
    assert numbers(chart) == ["0", "1"]
    assert chart.description == "Denials by month, 2026-01 to 2026-02. There are none."


def test_one_month() -> None:
    """One bar, with its month below it."""
    chart = chart_of("Denials", months(7))
    (bar,), (label,) = chart.bars, chart.months
    assert (label.text, label.at) == ("2026-01", round(bar.x + bar.width / 2, 1))
    assert (
        chart.description == "Denials by month, 2026-01 to 2026-01. The highest is 7, in 2026-01."
    )


def test_a_small_number_beside_a_big_one_is_seen() -> None:
    """A bar that is not nothing has some height."""
    small, big = chart_of("Receipts", months(1, 1_000_000)).bars
    assert big.height > 50 * small.height > 0
    assert (small.text, big.text) == ("2026-01: 1", "2026-02: 1,000,000")


def test_a_partial_month() -> None:
    """The bar knows it, and says it to whoever points at it."""
    (bar,) = chart_of("Days", months(12.5, partial=True)).bars
    assert (bar.partial, bar.text) == (True, "2026-01: 12.5, partial")


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (6, 6), (7, 4), (12, 6), (36, 6)])
def test_names_of_months_do_not_touch(count: int, shown: int) -> None:
    """Some are left out; the last is there."""
    points = [Point(month=f"m{place}", value=1) for place in range(count)]
    labels = chart_of("Receipts", points).months
    assert (len(labels), labels[-1].text) == (shown, f"m{count - 1}")
    assert all(after.at - before.at >= 40 for before, after in pairwise(labels))


@given(
    st.lists(
        st.none() | st.floats(min_value=0, max_value=1e15, allow_subnormal=False),
        min_size=1,
        max_size=36,
    )
)
def test_nothing_is_drawn_outside(values: list[float | None]) -> None:
    """Whatever the numbers are: bars, lines and names lie inside the picture."""
    chart = chart_of("Receipts", [Point(month="2026-01", value=value) for value in values])
    assert len(chart.bars) == sum(1 for value in values if value)
    for bar in chart.bars:
        assert chart.left <= bar.x
        assert bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= chart.bottom
        assert bar.height > 0
    assert 2 <= len(chart.lines) <= 6
    assert all(0 <= line.at <= HEIGHT for line in chart.lines)
    assert all(0 < label.at < WIDTH for label in chart.months)
