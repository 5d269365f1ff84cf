"""Only what cannot change the meaning of a path becomes part of one."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.wire import check_organization, check_task_id
from tests.support.hostile import HOSTILE


def test_there_are_a_few_hundred_hostile_ids() -> None:
    assert len(set(HOSTILE)) > 800


@pytest.mark.parametrize("check", [check_organization, check_task_id])
def test_hostile_ids_are_refused_with_a_next_step(check: object) -> None:
    assert callable(check)
    for value in HOSTILE:
        with pytest.raises(InvalidArgumentError) as caught:
            check(value)
        text = str(caught.value)
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 600
        assert caught.value.next_step


@pytest.mark.parametrize(
    "value",
    [
        *("acme", "Acme-Corp", "acme_corp", "acme.io", "_x", "a", "0", "a" * 128, "task_abc123", "a..b"),
        "5f0c2a9e-0a3b-4c61-9f0e-3c5d3a1b2c4d",
    ],
)
def test_ordinary_ids_pass_unchanged(value: str) -> None:
    assert check_organization(value) == value
    assert check_task_id(value) == value


@given(st.text())
def test_what_passes_needs_no_encoding_and_stays_in_its_segment(value: str) -> None:
    try:
        check_task_id(value)
    except InvalidArgumentError:
        return
    assert quote(value, safe="") == value
    assert value not in {"", ".", ".."}
