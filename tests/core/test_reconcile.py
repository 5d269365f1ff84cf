"""What became of a write: recognized by creator, words and time, and never guessed."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.reconcile import (
    Candidate,
    Sent,
    agrees,
    decide,
    digest,
    echo,
    first_decision,
    repeats,
    same_moment,
    trace,
)
from neo_mcp.wire import (
    ApprovalMode,
    CliIntegrationRef,
    CreateTask,
    EntityDiff,
    Event,
    IntegrationRef,
    PermissionMode,
    SlashCommand,
    Stack,
    Task,
    TaskSource,
    ToolExecutionMode,
    ToolResult,
    ToolResults,
    UserCancel,
    UserConfirmation,
    UserEvent,
    UserExecToolCall,
    UserInfo,
    UserMessage,
)
from tests.core.events import approval, ask, neo, results, settle, user

WORDS = "Upgrade the cluster."
TIME = "2026-01-02T03:04:05.678Z"
SENT = Sent(digest(WORDS), TIME)


def task(number: int, *, by: str | None = "alice", words: str | None = WORDS, time: str = TIME) -> Candidate:
    made = Task(id=f"t{number}", created_by=None if by is None else UserInfo(github_login=by))
    return Candidate(made, None if words is None else UserMessage(content=words, timestamp=time))


def rewritten(moment: datetime, digits: int, offset: int, *, as_z: bool) -> str:
    """A time as some other service writes it: another zone, and fewer or more digits."""
    zone = UTC if as_z else timezone(timedelta(minutes=offset))
    whole = moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond:06d}000"[:digits]
    suffix = "Z" if as_z else f"{'+' if offset >= 0 else '-'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    return whole + (f".{fraction}" if digits else "") + suffix


MILLISECONDS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - strategies take naive bounds
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
STYLES = st.tuples(st.sampled_from([0, 1, 2, 3, 6, 9]), st.integers(-840, 840), st.booleans())


class TestTimes:
    @given(MILLISECONDS, STYLES)
    def test_a_rewritten_time_is_the_same(self, moment: datetime, style: tuple[int, int, bool]) -> None:
        sent = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        again = rewritten(moment, style[0], style[1], as_z=style[2])
        assert same_moment(sent, again)
        assert same_moment(again, sent)

    @given(MILLISECONDS, MILLISECONDS, STYLES)
    def test_times_a_second_apart_are_never_the_same(
        self, one: datetime, other: datetime, style: tuple[int, int, bool]
    ) -> None:
        same = same_moment(one.isoformat(), rewritten(other, style[0], style[1], as_z=style[2]))
        assert not same or abs(one - other) < timedelta(seconds=1)

    @given(MILLISECONDS, st.integers(1, 10_000))
    def test_a_millisecond_makes_a_difference_where_it_is_written(self, moment: datetime, more: int) -> None:
        later = moment + timedelta(milliseconds=more)
        assert not same_moment(
            moment.isoformat(timespec="milliseconds"), later.isoformat(timespec="milliseconds")
        )

    @pytest.mark.parametrize("text", ["", "soon", "2026-99-99T00:00:00Z", "0001-01-01T00:00:00+14:00"])
    def test_what_is_no_time_is_only_itself(self, text: str) -> None:
        assert not same_moment(text, TIME)
        assert not same_moment(TIME, text)
        assert same_moment(text, text) == bool(text)


OTHERS = st.one_of(
    st.builds(lambda n: task(n, by="bob"), st.integers(100, 199)),
    st.builds(lambda n, words: task(n, words=words), st.integers(200, 299), st.text(max_size=5)),
    st.builds(lambda n: task(n, words=None), st.integers(300, 399)),
    st.builds(
        lambda n, seconds: task(
            n, time=(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()
        ),
        st.integers(400, 499),
        st.integers(1, 600) | st.integers(-600, -1),
    ),
)


class TestTasks:
    @given(st.lists(OTHERS, max_size=8), STYLES, st.randoms())
    def test_the_one_match_is_adopted_whatever_is_around_it(
        self, others: list[Candidate], style: tuple[int, int, bool], random: Random
    ) -> None:
        moment = datetime.fromisoformat(TIME)
        ours = task(1, time=rewritten(moment, style[0], style[1], as_z=style[2]))
        around = [*others, ours]
        random.shuffle(around)
        assert decide(SENT, "Alice", around).task == ours.task

    @given(st.lists(OTHERS, max_size=8))
    def test_without_a_match_none_is_adopted_and_like_ones_are_named(self, others: list[Candidate]) -> None:
        verdict = decide(SENT, "alice", others)
        assert verdict.task is None
        named = {each.id for each in verdict.candidates}
        like = {c.task.id for c in others if c.message is None or digest(c.message.content) == SENT.digest}
        assert named == {name for name in like if not name.startswith("t1")}

    @given(st.lists(OTHERS, max_size=8), st.integers(2, 4))
    def test_of_several_matches_none_is_adopted(self, others: list[Candidate], count: int) -> None:
        several = [task(number) for number in range(count)]
        verdict = decide(SENT, "alice", [*others, *several])
        assert verdict.task is None
        assert [each.id for each in verdict.candidates] == [f"t{number}" for number in range(count)]

    def test_an_exact_time_counts_more_than_a_shortened_one(self) -> None:
        around = [task(1, time="2026-01-02T03:04:05Z"), task(2)]
        found = decide(SENT, "alice", around).task
        assert found is not None
        assert found.id == "t2"

    def test_somebody_elses_task_is_not_ours_however_alike(self) -> None:
        assert decide(SENT, "alice", [task(1, by="bob")]) == decide(SENT, "alice", [])

    def test_a_server_that_does_not_name_creators_shows_only_our_own(self) -> None:
        found = decide(SENT, "alice", [task(1, by=None)]).task
        assert found is not None

    @given(st.text(st.characters(exclude_characters="\r")))
    def test_line_ends_and_outer_space_make_no_difference(self, words: str) -> None:
        assert digest(f" {words}\n".replace("\n", "\r\n")) == digest(words)


STACK = Stack(name="prod", project="shop")
SETTINGS: dict[str, tuple[object, ...]] = {
    "approval_mode": (None, *ApprovalMode),
    "plan_mode": (None, False, True),
    "permission_mode": (None, *PermissionMode),
    "role": (None, "role-auditor", "role-deployer"),
    "source": (None, TaskSource.API, TaskSource.CONSOLE),
    "tool_execution_mode": (None, *ToolExecutionMode),
    "enabled_integrations": (None, (), (IntegrationRef(id="datadog"),)),
    "cli_integrations": (None, (), (CliIntegrationRef(catalog_id="aws", name="prod"),)),
}
"""Every setting of a request, with values that it can have."""

DEFAULTS = {
    "plan_mode": False,
    "permission_mode": PermissionMode.DEFAULT,
    "source": TaskSource.API,
    "tool_execution_mode": ToolExecutionMode.CLOUD,
}
ANY_SETTINGS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SETTINGS.items()})
INTEGRATIONS = ("enabled_integrations", "cli_integrations")


class TestRepeats:
    """Whether a task that is there already may be returned for one that is asked for."""

    def request(self, message: UserMessage | None = None, /, **settings: object) -> CreateTask:
        return CreateTask(message=message or UserMessage(content=WORDS), **settings)

    def made(self, message: UserMessage | None = None, /, **settings: object) -> Candidate:
        """The task that the service makes of such a request, with its own defaults filled in."""
        shown = {"approval_mode": ApprovalMode.BALANCED, **DEFAULTS}
        shown |= {name: value for name, value in settings.items() if value is not None}
        shown = {name: value for name, value in shown.items() if name in Task.model_fields}
        message = message or UserMessage(content=WORDS, timestamp=TIME)
        return Candidate(task(1).task.model_copy(update=shown), message)

    def test_every_setting_of_a_request_is_compared_here(self) -> None:
        """A setting that is new has to get its values above, or its reason."""
        assert set(CreateTask.model_fields) - {"message"} == set(SETTINGS)
        assert set(UserMessage.model_fields) == {"type", "timestamp", "content", "entity_diff", "commands"}

    @given(ANY_SETTINGS, ANY_SETTINGS)
    def test_only_a_task_of_the_same_rights_is_the_same(
        self, wanted: dict[str, object], other: dict[str, object]
    ) -> None:
        found = repeats(self.request(**wanted), self.made(**other))
        if found:
            # What gives fewer integrations is the only difference there may be.
            for name in set(SETTINGS) - set(INTEGRATIONS):
                default = {**DEFAULTS, "approval_mode": ApprovalMode.BALANCED}.get(name)
                assert (wanted[name] or default) == (other[name] or default)
            assert wanted["approval_mode"] is not None
            assert [wanted[name] for name in INTEGRATIONS] == [None, None]

    @given(ANY_SETTINGS)
    def test_the_same_request_is_recognized_where_all_of_it_can_be_compared(
        self, wanted: dict[str, object]
    ) -> None:
        comparable = {**wanted, **dict.fromkeys(INTEGRATIONS), "approval_mode": ApprovalMode.MANUAL}
        assert repeats(self.request(**comparable), self.made(**comparable))

    @pytest.mark.parametrize("mode", ApprovalMode)
    def test_without_a_mode_of_its_own_it_is_no_task_with_a_mode(self, mode: ApprovalMode) -> None:
        assert not repeats(self.request(), self.made(approval_mode=mode))

    def test_a_service_that_knows_no_settings_shows_none(self) -> None:
        assert repeats(self.request(source=TaskSource.API), task(1))
        assert not repeats(self.request(permission_mode=PermissionMode.READ_ONLY), task(1))
        assert not repeats(self.request(approval_mode=ApprovalMode.MANUAL), task(1))

    @pytest.mark.parametrize("name", INTEGRATIONS)
    def test_limited_integrations_are_never_the_same_as_they_are_not_shown(self, name: str) -> None:
        for value in SETTINGS[name][1:]:
            request = self.request(approval_mode=ApprovalMode.MANUAL, **{name: value})
            assert not repeats(request, self.made(approval_mode=ApprovalMode.MANUAL))

    def test_the_task_of_another_agent_is_not_neos(self) -> None:
        request = self.request(approval_mode=ApprovalMode.MANUAL)
        assert repeats(request, self.made(approval_mode=ApprovalMode.MANUAL, agent_definition_id=""))
        assert not repeats(request, self.made(approval_mode=ApprovalMode.MANUAL, agent_definition_id="a1"))
        shown = Task.model_validate_json(b'{"id": "t", "approvalMode": "manual", "agentDefinitionId": "a1"}')
        assert not repeats(request, Candidate(shown, task(1).message))

    def test_a_setting_that_tasks_do_not_show_makes_every_request_a_new_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = self.request(approval_mode=ApprovalMode.MANUAL)
        candidate = self.made(approval_mode=ApprovalMode.MANUAL)
        assert repeats(request, candidate)
        monkeypatch.setattr("neo_mcp.core.reconcile._COMPARED", {*CreateTask.model_fields, "brand_new"})
        assert not repeats(request, candidate)

    @pytest.mark.parametrize(
        "change",
        [
            {"content": "Something else"},
            {"entity_diff": EntityDiff(add=(STACK,))},
            {"entity_diff": EntityDiff(remove=(STACK,))},
            {"commands": {"/fix": SlashCommand(name="/fix")}},
        ],
    )
    def test_other_words_entities_or_commands_are_another_task(self, change: dict[str, object]) -> None:
        settings = {"approval_mode": ApprovalMode.MANUAL}
        plain = UserMessage(content=WORDS, timestamp=TIME)
        changed = plain.model_copy(update=change)
        assert repeats(self.request(plain, **settings), self.made(plain, **settings))
        assert repeats(self.request(changed, **settings), self.made(changed, **settings))
        assert not repeats(self.request(plain, **settings), self.made(changed, **settings))
        # Nor where the API refused them, and the task was made without.
        assert not repeats(self.request(changed, **settings), self.made(plain, **settings))

    def test_a_task_whose_words_are_not_known_is_not_the_same(self) -> None:
        made = self.made(approval_mode=ApprovalMode.MANUAL)
        assert not repeats(self.request(approval_mode=ApprovalMode.MANUAL), Candidate(made.task, None))


class TestTraces:
    NOISE = (
        neo("warning", message="x"),
        ask("Something else"),
        approval("ap-1"),
        settle("ap-2"),
        results("c9"),
    )

    @pytest.mark.parametrize(
        ("sent", "arrived"),
        [
            (
                UserMessage(content=WORDS, timestamp=TIME),
                ask(WORDS, timestamp="2026-01-02T03:04:05.678+00:00"),
            ),
            (UserConfirmation(approval_request_id="ap-1", ok=True), settle("ap-1", ok=False)),
            (UserCancel(timestamp=TIME), user("user_cancel", timestamp=TIME)),
            (
                UserExecToolCall(tool_call_id="c1", name="n"),
                user("exec_tool_call", tool_call_id="c1", name="n"),
            ),
            (ToolResults(tool_results=(ToolResult(tool_call_id="c1", name="n"),)), results("c1", "c2")),
        ],
    )
    def test_what_arrived_is_recognized_among_other_events(self, sent: UserEvent, arrived: Event) -> None:
        assert [event for event in (*self.NOISE, arrived) if trace(sent)(event)] == [arrived]

    def test_the_same_words_at_another_time_are_no_proof(self) -> None:
        sent = UserMessage(content=WORDS, timestamp=TIME)
        earlier = ask(WORDS, timestamp="2026-01-02T03:04:05.677Z")
        assert not trace(sent)(earlier)
        assert echo(sent)(earlier)

    def test_an_announcement_is_found_in_the_event_that_the_service_records_as_neos(self) -> None:
        sent = UserExecToolCall(tool_call_id="c1", name="n")
        assert trace(sent)(neo("exec_tool_call", tool_call_id="c1", name="n"))
        assert not trace(sent)(neo("exec_tool_call", tool_call_id="c2", name="n"))

    def test_a_cancel_has_taken_effect_once_neo_says_so(self) -> None:
        sent = UserCancel(timestamp=TIME)
        assert not echo(sent)(user("user_cancel", timestamp=TIME))
        assert echo(sent)(neo("cancelled"))

    def test_the_decision_that_came_first_stands(self) -> None:
        stands = first_decision("ap-1", [settle("ap-2"), settle("ap-1", ok=False), settle("ap-1", ok=True)])
        assert stands is not None
        assert not stands.ok
        assert first_decision("ap-3", [settle("ap-1")]) is None

    @pytest.mark.parametrize(
        ("ok", "said", "stands_ok", "stood", "same"),
        [
            (True, None, True, None, True),
            (True, "two nodes", True, None, True),
            (True, None, False, None, False),
            (False, None, False, "anything", True),
            (False, "eu-west-1", False, " eu-west-1 ", True),
            (False, "eu-west-1", False, "us-east-1", False),
            (False, None, True, None, False),
        ],
    )
    def test_decisions_agree_if_they_say_the_same(
        self, ok: bool, said: str | None, stands_ok: bool, stood: str | None, same: bool
    ) -> None:
        sent = UserConfirmation(approval_request_id="a", ok=ok, instructions=said)
        stands = UserConfirmation(approval_request_id="a", ok=stands_ok, instructions=stood)
        assert agrees(sent, stands) == same
