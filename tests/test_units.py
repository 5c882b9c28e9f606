"""Units: text for people and back."""

import pytest

from damontui import units
from damontui.errors import UsageError


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1 KiB"), (1536, "1.5 KiB"), (3 << 30, "3 GiB"), (999 << 20, "999 MiB"), (-4096, "-4 KiB")],
)
def test_size(count: int, text: str) -> None:
    assert units.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.264, "264 ms"), (5.28, "5.28 s"), (96, "1:36"), (7500, "2:05:00"), (3 * 86400 + 4 * 3600, "3 d 04 h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("5ms", 5000),
        ("2s", 2_000_000),
        ("1.5 s", 1_500_000),
        ("1h", 3_600_000_000),
        ("5", 5_000_000),
        (" .5 ", 500_000),
        ("100us", 100),
        ("2m", 120_000_000),
        ("2min", 120_000_000),
        ("1d", 86_400_000_000),
        ("0", 0),
    ],
)
def test_parse_duration(text: str, us: int) -> None:
    assert units.parse_duration(text) == us


@pytest.mark.parametrize("text", ["", "ms", "-1s", "1 day", "5 5ms", "1e3", "nan", "5x", "٥"])
def test_a_wrong_duration_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="--sample"):
        units.parse_duration(text, "--sample")


@pytest.mark.parametrize(("text", "count"), [("4096", 4096), ("64K", 65536), ("1.5 GiB", 3 << 29), ("0x1000", 4096)])
def test_parse_size(text: str, count: int) -> None:
    assert units.parse_size(text) == count


@pytest.mark.parametrize("text", ["0", "0s", "0.0000001"])
def test_a_time_over_zero(text: str) -> None:
    assert units.parse_seconds("1.5") == 1.5
    with pytest.raises(UsageError, match=f"--for: '{text}' is not a time over 0"):
        units.parse_seconds(text, "--for")


def test_bandwidth() -> None:
    assert [units.bandwidth(n) for n in (0, 999, 449_000_000, 2.5e9)] == ["0 B/s", "999 B/s", "449 MB/s", "2.5 GB/s"]


@pytest.mark.parametrize("text", ["9" * 400 + "E", "0x" + "f" * 400, "99999E"])
def test_a_size_that_no_machine_has_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="--history: the number is too large"):
        units.parse_size(text, "--history")
    with pytest.raises(UsageError, match="--span: the number is too large"):
        units.parse_duration("9" * 400 + "h", "--span")


def test_spans_are_as_people_say_them() -> None:
    shown = [units.span(one) for one in (0.1, 1, 10, 59, 60, 90, 120, 3600, 86_400, 12.5)]
    assert shown == ["100 ms", "1 s", "10 s", "59 s", "1 min", "1:30", "2 min", "1 h", "1 d", "12.5 s"]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0, "0 %"),
        (4.96e-7, "<0.001 %"),
        (1e-5, "0.001 %"),
        (9e-4, "0.09 %"),
        (0.0095, "0.9 %"),
        (0.0996, "10 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_have_no_exponent(part: float, text: str) -> None:
    assert units.share(part) == text
