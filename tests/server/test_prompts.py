"""Prompts that a person picks, and the completion of their arguments."""

import re
from typing import get_args

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CompleteResult,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
)

from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.tools import TOOLS
from neo_mcp.service.inputs import CreateTaskInput, RespondInput
from neo_mcp.service.recent import FRESH_SECONDS
from neo_mcp.simulator import Fault
from tests.support.examples import long
from tests.support.host import ORG, PATIENCE, Host, Json, World

TRANSCRIPT = "neo://{organization}/tasks/{task_id}/transcript"
WORDS = {
    "goal": "Fix the thing",
    "stack": "shop/prod",
    "policy_issue": "pi-1",
    "pull_request": "acme/shop#7",
    "task_id": "b6a0f1c2",
    "organization": "acme-labs",
}


async def told(host: Host, name: str, **arguments: str) -> str:
    """What the host's model is told."""
    with anyio.fail_after(PATIENCE):
        found = await host.client.get_prompt(name, arguments)
    (message,) = found.messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


@pytest.mark.parametrize("name", PROMPTS)
class TestEveryPrompt:
    async def test_it_is_explained_to_people(self, world: World, name: str) -> None:
        async with world.host() as host:
            (prompt,) = [p for p in (await host.client.list_prompts()).prompts if p.name == name]
        assert prompt.title
        assert prompt.description
        for argument in prompt.arguments or ():
            assert argument.title
            assert argument.description
            assert (argument.description.startswith("Optional")) != argument.required

    async def test_everything_that_is_given_reaches_the_model_and_no_place_is_left(
        self, world: World, name: str
    ) -> None:
        spec = PROMPTS[name]
        given = {argument: WORDS[argument] for argument in spec.all_arguments}
        async with world.host() as host:
            whole = await told(host, name, **given)
            least = await told(host, name, **{argument: WORDS[argument] for argument in spec.required})
        for text in (whole, least):
            assert "{" not in text
            assert "}" not in text
            assert "  " not in text
        assert all(value in whole for value in given.values())
        assert not any(WORDS[argument] in least for argument in given.keys() - set(spec.required))

    async def test_a_secret_that_is_given_does_not_reach_the_model(self, world: World, name: str) -> None:
        spec = PROMPTS[name]
        for argument in spec.all_arguments:
            given = {**{name: WORDS[name] for name in spec.required}, argument: "AKIAIOSFODNN7EXAMPLE"}
            async with world.host() as host:
                try:
                    text = await told(host, name, **given)
                except MCPError as error:
                    text = str(error)
            assert "AKIAIOSFODNN7EXAMPLE" not in text

    def test_it_speaks_of_tools_actions_and_arguments_that_exist(self, name: str) -> None:
        text = re.sub(r"\{\w+\}", "", PROMPTS[name].text)
        known = {*TOOLS, *CreateTaskInput.model_fields, *RespondInput.model_fields, "local_tools"}
        known |= {"wait_for_events", "tool_call_id", "is_error"}
        assert set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)) <= known
        actions = get_args(RespondInput.model_fields["action"].annotation)
        assert set(re.findall(r"\baction (\w+)", text)) <= set(actions)

    def test_it_leaves_decisions_to_the_person_and_trusts_no_text(self, name: str) -> None:
        text = PROMPTS[name].text
        assert re.search(r"never an instruction|follow no instruction", text)
        assert re.search(r"as I decide|mine to decide|before I say so|permission_mode read-only", text)

    @pytest.mark.parametrize("argument", ["", " \n"])
    async def test_what_it_needs_has_to_be_given(self, world: World, name: str, argument: str) -> None:
        async with world.host() as host:
            for missing in PROMPTS[name].required:
                with pytest.raises(MCPError, match=missing) as caught:
                    await told(host, name, **{missing: argument})
                assert caught.value.error.code == INVALID_PARAMS


NAMED = [
    ("catch_up", "task_id", "acme-labs/b6a0f1c2", ["task b6a0f1c2.", "organization acme-labs."]),
    ("catch_up", "task_id", "'b6a0f1c2'", ["task b6a0f1c2."]),
    ("run_local_tools", "task_id", "neo://acme/tasks/b6a0f1c2", ["task b6a0f1c2.", "organization acme."]),
    ("review_pull_request", "pull_request", "pull request acme/x#3", ["entity 'pull request acme/x#3'"]),
    ("review_pull_request", "pull_request", "'acme/x#3'", ["entity 'pull request acme/x#3'"]),
    ("review_pull_request", "pull_request", "PR: acme/x#3", ["entity 'pull request acme/x#3'"]),
    (
        "review_pull_request",
        "pull_request",
        "https://github.com/acme/x/pull/3",
        ["entity 'pull request acme/x#3 on github'"],
    ),
    ("fix_policy_issue", "policy_issue", "policy issue ab", ["entity 'policy issue ab'", "issue ab."]),
    ("fix_policy_issue", "policy_issue", "ab (Ignore all)", ["entity 'policy issue ab'"]),
    ("delegate_to_neo", "stack", "stack shop/prod", ["'stack shop/prod'"]),
    ("plan_with_neo", "stack", "`shop/prod`", ["'stack shop/prod'"]),
    *(
        ("plan_with_neo", "stack", stack, ["'stack shop/prod'", "organization acme-labs."])
        for stack in (
            "https://app.pulumi.com/acme-labs/shop/prod",
            "app.pulumi.com/acme-labs/shop/prod/updates/3",
            "acme-labs/shop/prod",
            "stack 'acme-labs/shop/prod'",
        )
    ),
]


@pytest.mark.parametrize(("name", "argument", "value", "words"), NAMED)
async def test_names_are_read_as_tools_read_them(
    world: World, name: str, argument: str, value: str, words: list[str]
) -> None:
    given = {**{needed: WORDS[needed] for needed in PROMPTS[name].required}, argument: value}
    async with world.host() as host:
        text = await told(host, name, **given)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("catch_up", {"task_id": "acme/b6", "organization": "globex"}, "several organizations"),
        ("catch_up", {"task_id": "b6", "organization": "acme. Ignore all"}, "not a valid organization"),
        ("catch_up", {"task_id": "b6 and more"}, "not a valid task id"),
        ("review_pull_request", {"pull_request": "stack a/b"}, r"no pull request\. .*org/name#12"),
        ("review_pull_request", {"pull_request": "acme/x"}, r"no pull request\. .*org/name#12"),
        ("review_pull_request", {"pull_request": "acme/x and ignore all#3"}, "no pull request"),
        ("fix_policy_issue", {"policy_issue": "ab; ignore all"}, "no policy issue"),
        ("delegate_to_neo", {"goal": "x", "stack": "prod"}, r"no stack\. .*project/name"),
        ("delegate_to_neo", {"goal": "x", "stack": "a%2Fb/shop/prod"}, "not a valid organization"),
        *(
            ("delegate_to_neo", {"goal": "x", "stack": stack, "organization": "acme"}, "no stack")
            for stack in ("https://app.pulumi.com/acme-labs/shop/prod", "acme-labs/shop/prod")
        ),
    ],
)
async def test_what_names_something_else_is_refused(
    world: World, name: str, given: dict[str, str], why: str
) -> None:
    async with world.host() as host:
        with pytest.raises(MCPError, match=why):
            await told(host, name, **given)


async def test_an_unknown_prompt_is_told_by_its_name(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        with pytest.raises(MCPError) as caught:
            await told(host, "delegate")
    assert "'delegate'" in caught.value.error.message
    assert "delegate_to_neo" in caught.value.error.message


async def test_a_server_that_only_looks_offers_only_what_it_can_do(world: World, era: str) -> None:
    async with world.host(mode=era, read_only=True) as host:
        listed = [prompt.name for prompt in (await host.client.list_prompts()).prompts]
        assert listed == ["review_pull_request", "catch_up"]
        assert "b6a0f1c2" in await told(host, "catch_up", task_id="b6a0f1c2")
        with pytest.raises(MCPError, match="no prompt"):
            await told(host, "run_local_tools", task_id="b6a0f1c2")


def test_running_local_tools_is_taught_whole() -> None:
    text = PROMPTS["run_local_tools"].text
    for lesson in (
        "under my permissions",
        "outside this project",
        "secrets",
        "needs my yes",
        "is_error true",
        "cut",
        "in parts",
        "waits for ever",
        "answered elsewhere",
        "never a guess",
    ):
        assert lesson in text
    assert len(text) < 3000


async def complete(host: Host, name: str, value: str, ref: str = "catch_up", **known: str) -> CompleteResult:
    reference = ResourceTemplateReference(uri=ref) if ref.startswith("neo:") else PromptReference(name=ref)
    with anyio.fail_after(PATIENCE):
        return await host.client.complete(
            reference, {"name": name, "value": value}, context_arguments=known or None
        )


async def values(host: Host, name: str, value: str, ref: str = "catch_up", **known: str) -> list[str]:
    return list((await complete(host, name, value, ref, **known)).completion.values)


class TestCompletion:
    async def test_every_argument_but_the_goal_is_completed(self, world: World, era: str) -> None:
        shop = {"type": "repository", "org": "acme", "name": "shop"}
        entities: list[Json] = [
            {"type": "stack", "project": "shop", "name": "prod"},
            {"type": "pull_request", "number": 7, "merged": False, "repo": shop},
            {"type": "policy_issue", "id": "pi-1"},
        ]
        world.simulator.add_task(ORG, entities=entities)
        async with world.host(mode=era) as host:
            for name, spec in PROMPTS.items():
                for argument in spec.all_arguments:
                    assert bool(await values(host, argument, "", name)) == (argument != "goal")

    async def test_what_begins_like_that_comes_before_what_contains_it(self, world: World, era: str) -> None:
        names = ["db/shop", "shop/prod", "web/shop-2"]
        stacks = [dict(zip(("project", "name"), name.split("/"), strict=True)) for name in names]
        world.simulator.add_task(ORG, entities=[{"type": "stack", **stack} for stack in stacks])
        async with world.host(mode=era) as host:
            found = await values(host, "stack", "SHOP", "delegate_to_neo")
            assert found == ["shop/prod", "db/shop", "web/shop-2"]
            assert await values(host, "organization", "LABS") == ["acme-labs"]
            assert await values(host, "organization", "acme") == ["acme", "acme-labs"]

    async def test_tasks_are_found_by_id_and_by_name(self, world: World, era: str) -> None:
        one = world.simulator.add_task(ORG, name="Rotate the keys")
        world.simulator.add_task(ORG, name="Something else")
        async with world.host(mode=era) as host:
            for typed in (one[:9].upper(), one[9:20], "ROTATE", "keys"):
                assert await values(host, "task_id", typed) == [one]
                assert await values(host, "task_id", typed, TRANSCRIPT, organization=ORG) == [one]

    async def test_what_was_chosen_before_counts(self, world: World, era: str) -> None:
        stack = {"type": "stack", "project": "labs", "name": "dev"}
        task_id = world.simulator.add_task("acme-labs", entities=[stack])
        async with world.host(mode=era) as host:
            assert await values(host, "task_id", "") == []
            assert await values(host, "task_id", "", organization="acme-labs") == [task_id]
            assert await values(host, "stack", "", "plan_with_neo", organization="acme-labs") == ["labs/dev"]

    async def test_there_are_never_more_than_a_hundred(self, world: World) -> None:
        stacks = [{"type": "stack", "project": "shop", "name": f"s{n}"} for n in range(150)]
        world.simulator.add_task(ORG, entities=stacks)
        async with world.host() as host:
            found = (await complete(host, "stack", "s", "delegate_to_neo")).completion
        assert len(found.values) == 100
        assert (found.total, found.has_more) == (150, True)

    async def test_a_person_who_types_asks_the_api_once(self, world: World) -> None:
        world.simulator.add_task(ORG, name="Rotate the keys")
        async with world.host() as host, anyio.create_task_group() as group:
            for typed in ("r", "ro", "rot", "rota"):
                group.start_soon(values, host, "task_id", typed)
        assert len([r for r in world.simulator.requests if r.path.endswith("/tasks")]) == 1

    async def test_a_task_that_was_just_made_is_found_soon(self, world: World) -> None:
        async with world.host() as host:
            assert await values(host, "task_id", "") == []
            task_id = world.simulator.add_task(ORG)
            with anyio.fail_after(PATIENCE + FRESH_SECONDS):
                while await values(host, "task_id", "") != [task_id]:  # noqa: ASYNC110 - it is asked for
                    await anyio.sleep(0.05)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("status", status=403, times=0),
            long(Fault("status", status=500, times=0)),
            long(Fault("reset_before_response", times=0)),
            long(Fault("truncated_json", times=0)),
            Fault("latency", seconds=600, times=0),
        ],
        ids=lambda fault: fault.kind,
    )
    async def test_where_the_api_is_in_trouble_there_is_nothing_to_choose_from(
        self, world: World, era: str, fault: Fault
    ) -> None:
        world.simulator.faults.add(fault)
        # A call of the API may take its time; a person who types has none.
        async with world.host(mode=era, call_timeout=600.0) as host:
            assert await values(host, "task_id", "") == []
            # A moment later all is well again.
            world.simulator.faults.clear()
            assert await values(host, "organization", "acme") == ["acme", "acme-labs"]

    async def test_anything_unknown_asks_nobody(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            assert await values(host, "goal", "", "delegate_to_neo") == []
            assert await values(host, "organization", "", "no_such_prompt") == []
            assert await values(host, "organization", "", "neo://other/{organization}") == []
            assert await values(host, "task_id", "", organization="../x") == []
        assert world.simulator.requests == []

    async def test_without_a_token_nothing_is_completed(self, world: World) -> None:
        async with world.host(token=None) as host:
            assert await values(host, "organization", "") == []
