"""Attacks in a short form, asserting answers and memory, not times; and the tools that they use."""

import gzip
import json
import sys
from collections import Counter

import pytest

from neo_mcp.wire import EventPage
from tests.benchmarks.__main__ import main
from tests.benchmarks.attacks import histories
from tests.benchmarks.attacks.bystanders import Seen
from tests.benchmarks.attacks.client import ERAS, Answer, without_chunks
from tests.benchmarks.attacks.histories import MIB, History
from tests.benchmarks.attacks.inbound import TOOLS, nested, tool_call
from tests.benchmarks.attacks.play import Attack, Result, play
from tests.benchmarks.attacks.report import markdown_table, text_table
from tests.benchmarks.attacks.run import attacks
from tests.benchmarks.attacks.size import SHORT
from tests.benchmarks.attacks.upstream import bomb
from tests.benchmarks.measure import Row, Target


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory and connections are read from /proc")
@pytest.mark.scorecard("one client cannot take the server down")
@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.name) for attack in attacks()])
def test_an_attack_is_answered_without_harm_to_others(attack: Attack) -> None:
    result = play(attack, sys.executable, SHORT)
    missed = [row.cells() for row in result.steady if row.verdict == "MISSED"]
    assert not missed, (result.answers, result.calls.failures, result.probes.failures, result.remarks)


def sse(*frames: bytes) -> bytes:
    return b"".join(b"event: message\r\ndata: " + frame + b"\r\n\r\n" for frame in frames)


@pytest.mark.parametrize(
    ("status", "body", "problem", "kind"),
    [
        (0, b"", "timeout", "timeout"),
        (413, b"too large", "", "413"),
        (200, b"", "timeout", "200, then timeout"),
        (200, b'{"id":1,"result":{"content":[]}}', "", "200 result"),
        (200, sse(b'{"method":"x"}', b'{"id":1,"result":{"isError":true}}'), "", "200 tool error"),
        (429, b'{"id":null,"error":{"code":1,"message":"later"}}', "", "429 protocol error"),
    ],
)
def test_answers_are_classified(status: int, body: bytes, problem: str, kind: str) -> None:
    assert Answer(status, body, 0.0, problem).kind == kind


@pytest.mark.parametrize("cut", [0, 3, 12, 100])
def test_chunks_are_joined_as_far_as_they_came(cut: int) -> None:
    whole = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"
    assert b"hello world".startswith(without_chunks(whole[:cut]))
    assert without_chunks(whole) == b"hello world"


def test_the_bomb_is_one_member_of_json_that_is_large() -> None:
    small = bomb(16 * MIB)
    assert len(small) < 32 * 2**10
    assert json.loads(gzip.decompress(small)) == {}
    assert len(gzip.decompress(small)) == 16 * MIB + 2


@pytest.mark.parametrize(
    "history",
    [
        histories.messages(3, 1000),
        histories.approvals(3, 1000),
        histories.withdrawn(3, 1000),
        histories.calls(3, 1000),
        histories.hostile(24, 1000),
    ],
)
def test_events_of_large_tasks_are_ones_that_the_api_knows(history: History) -> None:
    events = [json.loads(history.event(number)) for number in range(history.count)]
    page = EventPage.model_validate({"events": events})
    assert not [event for event in page.events if "Unknown" in type(event.body).__name__]
    assert len({event.id for event in page.events}) == history.count
    assert history.after(page.events[0].id) == 1
    assert history.after("") == 0


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", TOOLS)
def test_nested_json_is_json_of_the_size_that_was_asked_for(tool: str, era: str) -> None:
    size = 10_000
    body = tool_call(tool, nested(b"[[]]", size - len(tool_call(tool, b"", era))), era)
    assert json.loads(body)["params"]["name"] == tool
    assert size - 10 < len(body) <= size


def result(*rows: Row) -> Result:
    figures = {
        "calls, p50": 1,
        "calls, p99": 2,
        "calls, longest": 3,
        "probes, longest": 4,
        "memory, peak": 90,
        "memory, peak above before": 10,
        "log": 5,
    }
    common = [Row(figure=name, unit="ms", ours=value) for name, value in figures.items()]
    seen = Seen([1.0, 2.0], {"503": 1})
    return Result(
        "an attack", seen, Seen([4.0]), [*common, *rows], Counter({"413": 1200}), ["by the way"], 7.0
    )


def test_the_report_says_what_was_missed_and_how_it_was_answered() -> None:
    bad = Row(figure="served", unit="requests", ours=2, target=Target(0))
    text = text_table([result(bad)])
    for part in (
        "1, 2, 3 ms (1 of 2)",
        "4 ms (0 of 1)",
        "90, +10 MiB",
        "1,200x 413",
        "MISSED served: 2 requests",
    ):
        assert part in text
    assert "by the way" in text
    assert "calls failed: 1x 503" in text
    *_, line = markdown_table([result(bad)])
    assert line.count(" | ") == 6
    assert line.endswith("**missed: served** |")
    assert "MISSED" not in text_table([result()])


def test_what_depends_on_the_machine_is_not_steady() -> None:
    slow = Row(figure="calls, p99", unit="ms", ours=5000, target=Target(1000))
    large = Row(figure="memory, peak", unit="MiB", ours=500, target=Target(300))
    assert result(slow, large).missed == [slow, large]
    assert [row for row in result(slow, large).steady if row.verdict == "MISSED"] == [large]


def test_names_of_attacks_are_unique() -> None:
    names = [attack.name for attack in attacks()]
    assert len(set(names)) == len(names)


def test_a_missed_target_is_a_failure_when_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = Row(figure="served", unit="", ours=1, target=Target(0))
    monkeypatch.setattr("tests.benchmarks.__main__.play_all", lambda *_: [result(missed)])
    assert main(["attacks"]) == 0
    assert main(["attacks", "--check"]) == 1
