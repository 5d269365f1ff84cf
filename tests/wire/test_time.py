"""Times are read and written in one way."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.wire.time import format_time, parse_time

ZONES = st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(timezone)
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - bounds are naive


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-03T04:05:06Z",
        "2026-02-03t04:05:06z",
        " 2026-02-03T04:05:06.000000+00:00\n",
        "2026-02-03T09:35:06+05:30",
        "2026-02-02T20:05:06-08:00",
        "2026-02-03T04:05:06",
        "2026-02-03 04:05:06",
    ],
)
def test_every_spelling_is_read_as_utc_and_so_is_a_time_without_a_zone(text: str) -> None:
    time = parse_time(text)
    assert time == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert time.tzinfo is UTC


@pytest.mark.parametrize("text", [None, "", "soon", "2026-99-99T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_anything_else_is_no_time(text: str | None) -> None:
    assert parse_time(text) is None


@given(st.text() | st.datetimes().map(str))
def test_any_text_may_stand_in_the_place_of_a_time(text: str) -> None:
    time = parse_time(text)
    assert time is None or time.tzinfo is UTC


@given(MOMENTS)
def test_a_time_that_was_written_is_read_again(moment: datetime) -> None:
    for precision, lost in (("milliseconds", timedelta(milliseconds=1)), ("seconds", timedelta(seconds=1))):
        text = format_time(moment, precision)  # type: ignore[arg-type]  # mypy widens what a loop goes through
        time = parse_time(text)
        assert text.endswith("Z")
        assert time is not None
        assert timedelta() <= moment - time < lost
