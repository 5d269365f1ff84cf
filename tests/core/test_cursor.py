"""Cursors: exact for their own task, refused everywhere else."""

import base64
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neo_mcp.core.cursor import Position, decode_cursor, encode_cursor, join_cursors, split_cursor
from neo_mcp.core.reported import MAX_KEYS, Reported
from neo_mcp.errors import InvalidArgumentError

EVENT = "5f0c2a9e-0a3b-4c61-9f0e-3c5d3a1b2c4d"
ANY_TEXT = st.text(st.characters())
EVENT_IDS = st.one_of(
    ANY_TEXT,
    st.uuids().map(str),
    st.uuids().map(lambda value: str(value).upper()),
    st.uuids().map(lambda value: value.hex),
    st.uuids().map(lambda value: "{" + str(value) + "}"),
    st.uuids().map(lambda value: value.urn),
    st.integers().map(lambda n: f"seq-{n}"),
)
KEYS = st.binary(min_size=4, max_size=4)
REPORTED = st.one_of(
    st.just(Reported()),
    st.builds(
        lambda keys, is_over: Reported(tuple(keys), is_over=is_over),
        st.lists(KEYS, min_size=1, max_size=MAX_KEYS, unique=True),
        st.booleans(),
    ),
    st.builds(
        lambda count, digest: Reported(count=count, digest=digest),
        st.integers(1, 65535),
        st.binary(min_size=8, max_size=8),
    ),
)
POSITIONS = st.builds(Position, EVENT_IDS, REPORTED)


@given(organization=ANY_TEXT, task=ANY_TEXT, position=POSITIONS)
def test_a_cursor_gives_back_what_was_reported(organization: str, task: str, position: Position) -> None:
    cursor = encode_cursor(organization, task, position.event_id, position.reported)
    assert decode_cursor(cursor, organization, task) == position


def test_however_much_was_reported_a_cursor_stays_short() -> None:
    keys = [number.to_bytes(4, "big") for number in range(600)]
    for count in range(600):
        reported = Reported.of(set(keys[:count]), keys)
        assert len(encode_cursor("acme", "t1", EVENT, reported)) <= 100


@pytest.mark.parametrize(
    ("cursor", "event_id"),
    [
        ("zJdo9BYBXwwqngo7TGGfDjxdOhssTQ", EVENT),
        ("YkdqXC4Cc2VxLTQ", "seq-4"),
        ("2ryCiA4", ""),
    ],
)
def test_a_cursor_of_an_older_version_is_that_of_a_reader_who_was_told_nothing(
    cursor: str, event_id: str
) -> None:
    assert decode_cursor(cursor, "acme", "t1") == Position(event_id)


@given(reported=REPORTED, at=st.integers(0, 60), char=st.sampled_from("ABCDEFabcdef0123456789-_"))
def test_one_that_says_what_was_reported_is_refused_when_damaged(
    reported: Reported, at: int, char: str
) -> None:
    cursor = encode_cursor("acme", "t1", EVENT, reported)
    damaged = cursor[:at] + char + cursor[at + 1 :]
    try:
        assert decode_cursor(damaged, "acme", "t1") == Position(EVENT, reported)
    except InvalidArgumentError:
        assert damaged != cursor


@given(organization=ANY_TEXT, task=ANY_TEXT, event=EVENT_IDS)
def test_a_cursor_gives_back_the_event_id_whatever_it_is(organization: str, task: str, event: str) -> None:
    cursor = encode_cursor(organization, task, event)
    assert cursor.isascii()
    assert decode_cursor(cursor, organization, task) == Position(event)


@given(st.uuids())
def test_the_usual_cursor_is_short_and_safe_in_an_address(event: object) -> None:
    cursor = encode_cursor("acme", "task_abc123", str(event))
    assert len(cursor) < 40
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_before_the_first_event_is_a_cursor() -> None:
    assert decode_cursor(encode_cursor("acme", "t1", ""), "acme", "t1") == Position()


@pytest.mark.parametrize(
    ("organization", "task"), [("acme", "t2"), ("other", "t1"), ("t1", "acme"), ("acme/t1", "")]
)
@pytest.mark.parametrize("event", [EVENT, "", "seq-4"])
def test_a_cursor_of_another_task_is_refused(organization: str, task: str, event: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"another task.*Leave the cursor out"):
        decode_cursor(encode_cursor("acme", "t1", event), organization, task)


@given(text=ANY_TEXT | st.text("ABCabc012-_=+/", max_size=40))
def test_text_that_is_no_cursor_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="Leave the cursor out") as caught:
        decode_cursor(text, "acme", "t1")
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 800


@given(at=st.integers(0, 29), char=st.sampled_from("ABCDEFabcdef0123456789-_"))
def test_a_cursor_with_one_character_changed_is_refused(at: int, char: str) -> None:
    cursor = encode_cursor("acme", "t1", EVENT)
    damaged = cursor[:at] + char + cursor[at + 1 :]
    # The last character of a cursor has bits to spare: some of its neighbours mean the same bytes.
    assume(base64.urlsafe_b64decode(damaged + "==") != base64.urlsafe_b64decode(cursor + "=="))
    with pytest.raises(InvalidArgumentError):
        decode_cursor(damaged, "acme", "t1")


@given(length=st.integers(0, 29))
def test_a_cursor_cut_short_is_refused(length: int) -> None:
    with pytest.raises(InvalidArgumentError):
        decode_cursor(encode_cursor("acme", "t1", EVENT)[:length], "acme", "t1")


class TestManyTasks:
    TASKS = ("t1", "t2", "t3")
    SEEN = {"t1": Position(EVENT), "t2": Position(), "t3": Position("seq-4")}  # noqa: RUF012 - read only

    @given(
        seen=st.dictionaries(ANY_TEXT, POSITIONS, min_size=1, max_size=8),
        chance=st.randoms(use_true_random=False),
    )
    def test_one_cursor_gives_back_the_place_in_every_task(
        self, seen: dict[str, Position], chance: random.Random
    ) -> None:
        cursor = join_cursors("acme", seen)
        tasks = list(seen)
        chance.shuffle(tasks)
        assert cursor.isascii()
        assert split_cursor(cursor, "acme", tasks) == seen
        assert list(split_cursor(cursor, "acme", tasks)) == tasks

    def test_of_one_task_it_is_that_tasks_cursor(self) -> None:
        assert join_cursors("acme", {"t1": Position(EVENT)}) == encode_cursor("acme", "t1", EVENT)

    def test_without_a_cursor_every_task_is_at_its_start(self) -> None:
        assert split_cursor("", "acme", self.TASKS) == dict.fromkeys(self.TASKS, Position())

    @pytest.mark.parametrize("left", [("t1",), ("t3", "t1"), ("t2",)])
    def test_tasks_may_be_left_out(self, left: tuple[str, ...]) -> None:
        cursor = join_cursors("acme", self.SEEN)
        assert split_cursor(cursor, "acme", left) == {task: self.SEEN[task] for task in left}

    def test_tasks_may_be_added_and_begin_at_their_start(self) -> None:
        cursor = join_cursors("acme", self.SEEN)
        assert split_cursor(cursor, "acme", ["t0", *self.TASKS]) == {"t0": Position(), **self.SEEN}

    def test_leaving_out_and_adding_at_once_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"no position in t9.*not both in one call"):
            split_cursor(join_cursors("acme", self.SEEN), "acme", ["t1", "t9"])

    def test_one_of_none_of_the_tasks_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"another task.*Leave the cursor out"):
            split_cursor(join_cursors("acme", self.SEEN), "acme", ["t8", "t9"])
        with pytest.raises(InvalidArgumentError, match="another task"):
            split_cursor(join_cursors("acme", self.SEEN), "other", self.TASKS)

    @given(at=st.integers(0, 60), char=st.sampled_from("ABCDEFabcdef0123456789-_."))
    def test_a_damaged_one_never_moves_a_task(self, at: int, char: str) -> None:
        cursor = join_cursors("acme", self.SEEN)
        damaged = cursor[:at] + char + cursor[at + 1 :]
        try:
            assert split_cursor(damaged, "acme", self.TASKS) == self.SEEN
        except InvalidArgumentError:
            assert damaged != cursor

    @given(text=ANY_TEXT | st.text("ABCabc012-_=+/.", min_size=1, max_size=60))
    def test_text_that_is_no_cursor_is_refused(self, text: str) -> None:
        assume(text)
        with pytest.raises(InvalidArgumentError, match="Leave the cursor out"):
            split_cursor(text, "acme", self.TASKS)


@pytest.mark.parametrize("organization", ["acme", "Acme"])
def test_a_cursor_is_of_any_spelling_of_the_organization(organization: str) -> None:
    cursor = encode_cursor(organization, "t", "e1")
    for spelling in ("acme", "Acme", "ACME"):
        assert decode_cursor(cursor, spelling, "t").event_id == "e1"
    with pytest.raises(InvalidArgumentError):
        decode_cursor(cursor, "globex", "t")


def test_a_cursor_that_told_spellings_apart_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("neo_mcp.core.cursor.organization_key", str)
        cursor = encode_cursor("Acme", "t", "e1")
    assert decode_cursor(cursor, "Acme", "t").event_id == "e1"
