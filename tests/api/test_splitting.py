"""A long page is cut into its items as any JSON parser would have it, however its bytes come."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.api.decoding import TooLongError
from neo_mcp.api.splitting import OversizedItem, PageParts, PageSplitter
from tests.api.test_decoding import CUTS, chunks

TEXT = st.text(max_size=8) | st.sampled_from(['"', "\\", '\\"', "[{", "]}", ",", '","events":['])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
PAGE = st.fixed_dictionaries(
    {"before": JSON, "events": st.lists(JSON, max_size=6), "continuationToken": st.none() | TEXT}
)


def split(data: bytes, cuts: list[int], **limits: int) -> PageParts:
    splitter = PageSplitter("events", **{"max_item": 10**6, "max_stored": 10**7, **limits})
    for chunk in chunks(data, cuts):
        splitter.feed(chunk)
    return splitter.finish(lambda data: data)


def item(part: bytes | OversizedItem) -> Any:  # noqa: ANN401 - any JSON
    assert isinstance(part, bytes)
    return json.loads(part)


@given(page=PAGE, cuts=CUTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 0, 2]))
def test_the_items_and_the_rest_are_those_of_the_page(
    page: dict[str, Any], cuts: list[int], ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps(page, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    parts = split(data, cuts)
    assert json.loads(parts.rest.decode("utf-8", "surrogatepass")) == {**page, "events": []}
    assert [item(part) for part in parts.take()] == page["events"]
    assert parts.items == []


@given(data=st.binary(max_size=60) | st.text('{}[]",:\\a1 ', max_size=60).map(str.encode), cuts=CUTS)
def test_bytes_that_are_no_page_raise_nothing_but_a_value_error(data: bytes, cuts: list[int]) -> None:
    with suppress(ValueError):
        split(b'{"events":[' + data, cuts)


@given(page=PAGE, end=st.integers(1, 60))
def test_a_page_that_is_cut_short_is_not_taken_for_a_whole_one(page: dict[str, Any], end: int) -> None:
    data = json.dumps(page).encode()
    with pytest.raises(ValueError, match="cut short"):
        split(data[: max(1, len(data) - end)], [])


@given(sizes=st.lists(st.integers(0, 3_000), max_size=6), cuts=CUTS)
def test_an_item_over_the_limit_leaves_a_marker_with_its_id(sizes: list[int], cuts: list[int]) -> None:
    events = [{"id": f"e{number}", "body": "x" * size} for number, size in enumerate(sizes)]
    parts = list(split(json.dumps({"events": events}).encode(), cuts, max_item=1_000).take())
    for event, part in zip(events, parts, strict=True):
        size = len(json.dumps(event))
        if isinstance(part, bytes):
            assert json.loads(part) == event
            assert size <= 1_001
        else:
            assert part.size >= size > 999
            assert part.value("id") == event["id"]


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "own", "body": {"id": "inner", "text": "LONG"}}',
        '{"type": "agentResponse", "final": false, "id": "own", "body": {"id": "inner", "text": "LONG"}}',
        '{"body": {"text": "LONG", "id": "inner"}, "id": "own", "type": "agentResponse"}',
        '{"body": ["LONG"], "id": "own"}',
    ],
)
def test_the_id_of_an_oversized_item_is_its_own_and_not_one_inside_it(text: str) -> None:
    data = f'{{"events": [{text}]}}'.replace("LONG", "x" * 5_000).encode()
    [part] = split(data, [700, 3_000], max_item=1_000).take()
    assert isinstance(part, OversizedItem)
    assert part.value("id") == "own"


def test_of_more_items_than_asked_for_the_first_are_stored() -> None:
    parts = split(json.dumps({"events": list(range(1000))}).encode(), [], max_items=3)
    assert [item(part) for part in parts.take()] == [0, 1, 2]


@pytest.mark.parametrize("events", ["{}," * 999 + "{}", '"' + "x" * 90_000 + '"', '"' + "x" * 40_000 + 'é"'])
def test_what_takes_more_memory_than_allowed_is_refused(events: str) -> None:
    with pytest.raises(TooLongError):
        split(f'{{"events":[{events}]}}'.encode(), [], max_stored=80_000)


@pytest.mark.parametrize("rest", ['"a":"' + "x" * 100_000, '"a":[' + "1," * 50_000, '"a":' + "[" * 100_000])
def test_what_surrounds_the_items_is_bounded(rest: str) -> None:
    with pytest.raises(ValueError, match="too much"):
        split(f"{{{rest}".encode(), [])


def test_an_item_nested_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="nested"):
        split(b'{"events":[' + b"[" * 100_000, [])
