"""The retry policy as a pure function."""

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.api.retry import (
    FailureKind,
    RetryPolicy,
    kind_of_exception,
    kind_of_status,
    parse_retry_after,
    patient_delay,
)

POLICY = RetryPolicy()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def delay(
    kind: FailureKind, *, repeatable: bool = True, attempt: int = 1, left: float = 100.0
) -> float | None:
    return POLICY.delay(kind, repeatable=repeatable, attempt=attempt, left=left, jitter=1.0)


@given(
    kind=st.sampled_from(FailureKind),
    repeatable=st.booleans(),
    attempt=st.integers(1, 10_000),
    left=st.floats(-10, 1000),
    jitter=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(0, 1e9),
)
def test_a_delay_is_never_negative_and_ends_within_the_budget(
    *,
    kind: FailureKind,
    repeatable: bool,
    attempt: int,
    left: float,
    jitter: float,
    retry_after: float | None,
) -> None:
    wait = POLICY.delay(
        kind, repeatable=repeatable, attempt=attempt, left=left, jitter=jitter, retry_after=retry_after
    )
    if wait is not None:
        assert 0 <= wait < left
        assert wait <= 60
        assert attempt < POLICY.attempts


@given(attempt=st.integers(1, 1_000_000), jitter=st.floats(0, 1, exclude_max=True))
def test_a_patient_delay_is_between_one_second_and_thirty_plus_a_quarter(attempt: int, jitter: float) -> None:
    assert 1.0 <= patient_delay(attempt, jitter) <= 37.5


def test_delays_double() -> None:
    assert [delay(FailureKind.UNSENT, attempt=attempt) for attempt in range(1, 5)] == [0.5, 1.0, 2.0, None]
    assert [patient_delay(attempt, 0.0) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_delay_stops_doubling_at_its_limit() -> None:
    policy = RetryPolicy(attempts=20)
    waits = [
        policy.delay(FailureKind.UNSENT, repeatable=True, attempt=attempt, left=100, jitter=1.0)
        for attempt in range(1, 20)
    ]
    assert max(wait or 0 for wait in waits) == 8.0


def test_what_was_not_sent_is_repeated_for_every_method() -> None:
    assert delay(FailureKind.UNSENT, repeatable=False) == 0.5


@pytest.mark.parametrize("kind", [FailureKind.UNCERTAIN, FailureKind.REFUSED])
def test_a_write_that_was_sent_is_not_repeated_here(kind: FailureKind) -> None:
    assert delay(kind, repeatable=False) is None
    assert delay(kind, repeatable=True) == 0.5


def test_a_final_answer_is_not_asked_for_again() -> None:
    assert delay(FailureKind.FINAL) is None


def test_a_server_that_asks_to_wait_is_waited_for_up_to_a_minute() -> None:
    def wait(retry_after: float, left: float) -> float | None:
        return POLICY.delay(
            FailureKind.REFUSED, repeatable=True, attempt=1, left=left, jitter=1.0, retry_after=retry_after
        )

    assert wait(7.0, 100) == 7.0
    assert wait(0.0, 100) == 0.5
    assert wait(3600.0, 100) == 60.0
    assert wait(7.0, 6) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, FailureKind.REFUSED),
        (425, FailureKind.REFUSED),
        (408, FailureKind.UNCERTAIN),
        (500, FailureKind.UNCERTAIN),
        (502, FailureKind.UNCERTAIN),
        (503, FailureKind.UNCERTAIN),
        (504, FailureKind.UNCERTAIN),
        (524, FailureKind.UNCERTAIN),
        (501, FailureKind.FINAL),
        (400, FailureKind.FINAL),
        (401, FailureKind.FINAL),
        (404, FailureKind.FINAL),
        (409, FailureKind.FINAL),
        (302, FailureKind.FINAL),
    ],
)
def test_statuses_are_classified(status: int, kind: FailureKind) -> None:
    assert kind_of_status(status) is kind


@pytest.mark.parametrize(
    "kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]
)
def test_without_a_connection_nothing_was_sent(kind: type[httpx.TransportError]) -> None:
    assert kind_of_exception(kind("no")) is FailureKind.UNSENT


@pytest.mark.parametrize(
    "kind",
    [httpx.ReadError, httpx.ReadTimeout, httpx.WriteError, httpx.WriteTimeout, httpx.RemoteProtocolError],
)
def test_after_a_connection_something_may_have_been_sent(kind: type[httpx.TransportError]) -> None:
    assert kind_of_exception(kind("no")) is FailureKind.UNCERTAIN


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:04:15 -0000", 10.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1e9", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


@given(st.text())
def test_retry_after_never_fails_and_is_never_negative(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or seconds >= 0
