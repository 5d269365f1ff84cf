"""The check of JSON's limits agrees with a parser about every document, however its bytes are split."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, repeat
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neo_mcp.wire.json_limits import (
    MESSAGE,
    TOO_DEEP,
    JsonCheck,
    JsonLimitError,
    JsonLimits,
    is_within,
    read_json,
    without_depth,
)

TEXT = st.text() | st.text('[]{},:"\\ nu0', max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**99) + 1, 10**99)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
DUMPS: list[Callable[[Any], str]] = [
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: json.dumps(value, indent=1),
    lambda value: json.dumps(value, separators=(",", ":")),
    lambda value: "\ufeff" + json.dumps(value, ensure_ascii=False),
]
NO_LIMITS = JsonLimits(10**9, 10**9)


def measured(value: object) -> tuple[int, int]:
    """Values and names, and levels."""
    if not isinstance(value, list | dict):
        return 1, 0
    inner = [measured(item) for item in (value.values() if isinstance(value, dict) else value)]
    names = len(value) if isinstance(value, dict) else 0
    return 1 + names + sum(count for count, _ in inner), 1 + max((depth for _, depth in inner), default=0)


def parts_of(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:end] for start, end in pairwise(places))


def problem(data: bytes, limits: JsonLimits, cuts: list[int]) -> str:
    check = JsonCheck(limits)
    try:
        for part in parts_of(data, cuts):
            check.feed(part)
    except JsonLimitError as error:
        return str(error)
    return ""


def feed(parts: Iterable[bytes]) -> None:
    check = JsonCheck()
    for part in parts:
        check.feed(part)


def empties(value: object) -> int:
    """Empty containers: each is counted as if it held a value."""
    if not isinstance(value, list | dict):
        return 0
    return (not value) + sum(map(empties, value.values() if isinstance(value, dict) else value))


@given(JSON, st.sampled_from(DUMPS), st.lists(st.integers(0, 10**6), max_size=8))
def test_what_is_counted_is_what_a_parser_makes(
    value: Any,  # noqa: ANN401 - any JSON
    dumps: Callable[[Any], str],
    cuts: list[int],
) -> None:
    data = dumps(value).encode("utf-8", "surrogatepass")
    count, depth = measured(value)
    count += empties(value)
    assert not problem(data, JsonLimits(count, depth), cuts)
    assert "values" in problem(data, JsonLimits(count - 1, depth), cuts)
    if depth:
        assert "levels" in problem(data, JsonLimits(count, depth - 1), cuts)


@given(st.binary() | st.text('[]{},:"\\ 0e1nu').map(str.encode), st.lists(st.integers(0, 99), max_size=8))
@example(b'"\\', [])
@example(b'["\\\\", []]', [3])
@example(b"\\\\[[", [1])
def test_whatever_a_parser_reads_is_within_what_was_counted(data: bytes, cuts: list[int]) -> None:
    """Of any bytes: nothing hides from the check behind quotes, escapes or another encoding."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    count, depth = measured(value)
    assert problem(data, JsonLimits(count - 1, 10**9), cuts)
    if depth:
        assert problem(data, JsonLimits(10**9, depth - 1), cuts)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_what_is_not_utf8_is_refused(encoding: str) -> None:
    # In UTF-16 this letter holds the byte of a quotation mark.
    data = json.dumps(["\u0122", [[[[]]]]], ensure_ascii=False).encode(encoding)
    assert isinstance(json.loads(data), list)
    with pytest.raises(JsonLimitError, match="null byte") as caught:
        read_json(data, NO_LIMITS)
    assert caught.value.is_syntax


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_takes_for_a_number_is_refused(literal: str) -> None:
    with pytest.raises(JsonLimitError, match="no numbers") as caught:
        read_json(f'{{"a": [{literal}]}}'.encode())
    assert caught.value.is_syntax
    assert read_json(f'["{literal}"]'.encode()) == [literal]


@pytest.mark.parametrize("number", ["1e400", "-1E+999999", "9" * 90 + "e300", "1e0000999"])
@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_number_beyond_all_floats_is_refused(number: str, cut: int) -> None:
    assert math.isinf(json.loads(number))
    parts = f"[{number}"[:cut], f"[{number}"[cut:], "]"
    with pytest.raises(JsonLimitError, match="too large"):
        feed(part.encode() for part in parts)


@pytest.mark.parametrize("number", ["1e308", "0e999", "1e-999999", "123456789012345678901234567890", "-1.5"])
def test_numbers_that_are_none_too_large_are_read(number: str) -> None:
    assert read_json(f"[{number}]".encode()) == [json.loads(number)]


@pytest.mark.parametrize("digits", [101, 5000, 200_000])
def test_a_number_of_too_many_digits_is_refused_in_words(digits: int) -> None:
    with pytest.raises(JsonLimitError, match="more than 100 characters"):
        read_json(b'{"a":' + b"1" * digits + b"}")


@pytest.mark.parametrize("levels", [200, 980, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ("[", "")])
def test_depth_is_an_error_in_words(levels: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    data = (opening * levels + ("1" if closing else "") + closing * levels).encode()
    with pytest.raises(JsonLimitError, match=r"levels|values"):
        read_json(data)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{,:}[]" * 100_000, '"' * 100_000, "\\" * 99_999, "\x00\ud800", 'code("a[{,");\n' * 9999],
)
def test_a_long_text_is_one_value_whatever_is_in_it(text: str) -> None:
    arguments = {"text": text, "more": [text[:1000]]}
    assert read_json(json.dumps(arguments).encode()) == arguments


def test_a_document_is_refused_before_all_of_it_is_seen() -> None:
    with pytest.raises(JsonLimitError, match="10,000 values"):
        feed(repeat(b"[]," * 100))


class TestCuttingOff:
    """What the API nests too deeply is replaced, and the rest of the document is as it was."""

    @given(JSON, st.sampled_from(DUMPS), st.integers(0, 4))
    def test_only_what_is_too_deep_is_replaced(
        self,
        value: Any,  # noqa: ANN401 - any JSON
        dumps: Callable[[Any], str],
        depth: int,
    ) -> None:
        def cut(value: object, left: int) -> object:
            if not isinstance(value, list | dict):
                return value
            if not left:
                return TOO_DEEP
            if isinstance(value, list):
                return [cut(item, left - 1) for item in value]
            return {key: cut(item, left - 1) for key, item in value.items()}

        data = dumps(value).encode("utf-8", "surrogatepass")
        shown = without_depth(data, JsonLimits(10**4, depth))
        assert json.loads(shown.decode("utf-8-sig", "surrogatepass")) == cut(value, depth)

    @pytest.mark.parametrize("levels", [65, 200, 980, 100_000])
    def test_levels_of_any_number(self, levels: int) -> None:
        data = b'{"a":' + b"[" * levels + b"]" * levels + b',"b":1}'
        value = json.loads(without_depth(data))
        assert value["b"] == 1
        assert measured(value)[1] == MESSAGE.depth

    def test_what_is_cut_off_in_the_middle_is_no_json_afterwards(self) -> None:
        with pytest.raises(ValueError, match=r"Expecting|delimiter"):
            json.loads(without_depth(b'{"a":' + b"[" * 100))

    def test_more_values_than_a_limit_are_refused(self) -> None:
        with pytest.raises(JsonLimitError, match="values"):
            without_depth(b"[" + b"[]," * 200_000 + b"[]]")

    def test_what_is_within_the_limits_is_not_touched(self) -> None:
        data = json.dumps({"text": "[" * 10**6, "n": [1]}).encode()
        assert without_depth(data) is data


SHALLOW = JsonLimits(values=1000, depth=12)
NESTED = st.builds(
    lambda levels, inner, beside: b"[" * levels + inner + b"]" * levels + beside,
    st.integers(0, 20),
    st.sampled_from([b"", b"1", b'"]]]]]"', b'"[[[[["', b'{"a":[{}]}']),
    st.sampled_from([b"", b"[" * 12, b"]" * 12, b",{}" * 20]),
)


@given(st.lists(NESTED | st.text('[]{},:"\\ 0').map(str.encode), max_size=5))
@example([b"[" * 13 + b"]" * 13, b"[{}]" * 20])
@example([b"[" * 13 + b'"]]]]]]]]]]]]]"' + b"]" * 13])
@example([b"[" + b"[[]]," * 13 + b"1]"])
def test_documents_that_are_within_limits_together_are_so_one_by_one(documents: list[bytes]) -> None:
    if is_within(b"\n".join(documents), SHALLOW):
        for document in documents:
            try:
                count, depth = measured(json.loads(document))
            except ValueError:
                continue
            assert count <= SHALLOW.values
            assert depth <= SHALLOW.depth


def test_many_events_side_by_side_are_within_limits_if_each_is() -> None:
    assert is_within(b'[{"a":[{"b":{}}]}]' * 50, SHALLOW)
