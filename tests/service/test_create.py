"""create_task and update_task."""

import pytest

from neo_mcp.config import ApprovalPolicy
from neo_mcp.simulator import Fault
from tests.support.host import ORG, Json, Person, World


async def test_a_task_is_created_with_its_page_and_a_cursor(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        created = await host.call("create_task", prompt="Say hello (scenario:hello)")
    task_id = created["task_id"]
    assert created["organization"] == ORG
    assert created["url"].endswith(f"/{ORG}/neo/tasks/{task_id}")
    assert "wait_for_events" in created["next"]
    (body,) = world.bodies("/tasks")
    assert body["message"]["content"] == "Say hello (scenario:hello)"
    assert set(body) == {"message", "source", "approvalMode"}
    assert body["approvalMode"] == "manual"


async def test_every_argument_reaches_the_api(world: World) -> None:
    async with world.host() as host:
        await host.call(
            "create_task",
            prompt="Upgrade it",
            context="We saw error 42.",
            organization="acme-labs",
            entities=[
                "stack shop/prod",
                "repository acme/infra",
                "pull request acme/infra#12",
                "policy issue pi-1",
            ],
            approval_mode="manual",
            permission_mode="read-only",
            plan_mode=True,
            tool_execution_mode="cli",
            integrations=["datadog"],
            cli_integrations=["aws/prod"],
            role="role-auditor",
            commands=["/fix", "review", "/", " / "],
        )
    (request,) = [r for r in world.simulator.requests if r.method == "POST"]
    assert "/acme-labs/" in request.path
    (body,) = world.bodies("/tasks")
    message = body.pop("message")
    assert message["content"].startswith("Upgrade it\n\n")
    assert message["content"].endswith("We saw error 42.")
    assert message["entity_diff"]["add"] == [
        {"type": "stack", "name": "prod", "project": "shop"},
        {"type": "repository", "name": "infra", "org": "acme"},
        {"type": "pull_request", "number": 12, "repo": {"type": "repository", "name": "infra", "org": "acme"}}
        | {"merged": False},
        {"type": "policy_issue", "id": "pi-1"},
    ]
    assert sorted(message["commands"]) == ["/fix", "/review"]
    assert body == {
        "approvalMode": "manual",
        "permissionMode": "read-only",
        "planMode": True,
        "toolExecutionMode": "cli",
        "enabledIntegrations": [{"id": "datadog"}],
        "cliIntegrations": [{"catalogId": "aws", "name": "prod"}],
        "role": "role-auditor",
        "source": "api",
    }


async def test_integrations_have_three_states(world: World) -> None:
    async with world.host() as host:
        await host.call("create_task", prompt="a")
        await host.call("create_task", prompt="b", integrations=[], cli_integrations=[])
        await host.call("create_task", prompt="c", integrations=["datadog", "honeycomb"])
    absent, none, some = world.bodies("/tasks")
    assert "enabledIntegrations" not in absent
    assert "cliIntegrations" not in absent
    assert none["enabledIntegrations"] == none["cliIntegrations"] == []
    assert some["enabledIntegrations"] == [{"id": "datadog"}, {"id": "honeycomb"}]


@pytest.mark.parametrize(
    ("argument", "value", "hint"),
    [
        ("entities", ["the shop stack"], "stack project/name"),
        ("cli_integrations", ["aws"], "aws/prod"),
        ("approval_mode", "yolo", "manual"),
        ("organization", "../admin", "organization"),
        ("prompt", "", "prompt"),
    ],
)
async def test_a_bad_value_is_refused_before_any_request(
    world: World, argument: str, value: object, hint: str
) -> None:
    async with world.host() as host:
        text = await host.refused("create_task", **{"prompt": "Do it", argument: value})
    assert hint in text
    assert world.simulator.requests == []


async def test_entities_that_the_api_refuses_are_left_out_with_a_warning(world: World) -> None:
    refusal = b'{"code": 400, "message": "invalid entity: no such stack"}'
    world.simulator.faults.add(Fault("status", status=400, body=refusal, path="/tasks$", method="POST"))
    async with world.host() as host:
        created = await host.call(
            "create_task", prompt="Look (scenario:hello)", entities=["stack shop/nowhere"]
        )
        assert "no such stack" in created["warnings"][0]
    refused, taken = world.bodies("/tasks")
    assert "entity_diff" in refused["message"]
    assert "entity_diff" not in taken["message"]


class TestRefusedEntities:
    """What a person agreed to is started, or nothing is."""

    @pytest.fixture(autouse=True)
    def refusal(self, world: World) -> None:
        body = b'{"code": 400, "message": "invalid entity: no such stack shop/dev"}'
        world.simulator.faults.add(Fault("status", status=400, body=body, path="/tasks$", method="POST"))

    async def test_after_a_form_nothing_is_started_without_them(self, world: World, era: str) -> None:
        person = Person()
        about = {"prompt": "Tidy up (scenario:hello)", "approval_mode": "auto"}
        async with world.host(person, mode=era) as host:
            text = await host.refused("create_task", **about, entities=["stack shop/dev"])
            assert len(world.bodies("/tasks")) == 1
            # What was agreed to is no agreement to another request.
            await host.call("create_task", **about)
        assert "no such stack shop/dev" in text
        assert "Nothing was started" in text
        assert len(person.forms) == 2
        refused, taken = world.bodies("/tasks")
        assert "entity_diff" in refused["message"]
        assert "entity_diff" not in taken["message"]

    async def test_nor_where_the_host_is_trusted_to_have_asked(self, world: World) -> None:
        async with world.host(approvals=ApprovalPolicy.HOST) as host:
            text = await host.refused(
                "create_task", prompt="Tidy up", approval_mode="auto", entities=["stack shop/dev"]
            )
        assert "Nothing was started" in text
        assert len(world.bodies("/tasks")) == 1

    async def test_nor_where_the_mode_is_the_organizations_default(self, world: World, era: str) -> None:
        world.simulator.store.approval_modes[ORG] = "balanced"
        async with world.host(Person(), mode=era) as host:
            text = await host.refused("create_task", prompt="Tidy up", entities=["stack shop/dev"])
        assert "Nothing was started" in text
        assert len(world.bodies("/tasks")) == 1

    @pytest.mark.parametrize(
        ("mode", "policy"),
        [
            (None, ApprovalPolicy.ASK),
            ("manual", ApprovalPolicy.ASK),
            (None, ApprovalPolicy.HOST),
        ],
    )
    async def test_where_nothing_had_to_be_agreed_to_it_is_started_with_a_warning(
        self, world: World, mode: str | None, policy: ApprovalPolicy
    ) -> None:
        given = {"approval_mode": mode} if mode else {}
        async with world.host(Person(), approvals=policy) as host:
            created = await host.call(
                "create_task", prompt="Look (scenario:hello)", entities=["stack shop/dev"], **given
            )
        (warning,) = created["warnings"]
        assert "without its entities" in warning
        assert len(world.bodies("/tasks")) == 2


async def test_without_an_organization_the_persons_own_is_used(world: World) -> None:
    async with world.host(organization=None) as host:
        created = await host.call("create_task", prompt="Hi (scenario:hello)")
    assert created["organization"] == ORG


class TestAutomaticApproval:
    """A tool argument cannot take the decision away from people."""

    async def test_it_is_put_in_front_of_a_person(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            await host.create("hello", approval_mode="auto")
        (form,) = person.forms
        assert "WITHOUT" in form
        assert "scenario:hello" in form
        assert world.bodies("/tasks")[0]["approvalMode"] == "auto"

    async def test_the_form_shows_what_neo_is_told_besides_the_prompt(self, world: World) -> None:
        person = Person()
        async with world.host(person) as host:
            await host.create("hello", approval_mode="auto", context="Delete everything.")
        assert "Delete everything." in person.forms[0]

    @pytest.mark.parametrize("action", ["decline", "cancel", "refuse"])
    async def test_nothing_is_created_without_a_yes(self, world: World, era: str, action: str) -> None:
        person = Person(choice=1) if action == "refuse" else Person(action=action)  # type: ignore[arg-type]  # the two other literals
        async with world.host(person, mode=era) as host:
            text = await host.refused("create_task", prompt="Go", approval_mode="auto")
        assert "nothing was sent" in text
        assert world.bodies("/tasks") == []

    async def test_a_host_that_cannot_ask_is_told_where_a_person_can(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            text = await host.refused("create_task", prompt="Go", approval_mode="auto")
        assert "elicitation" in text
        assert "approval_mode" in text
        assert world.bodies("/tasks") == []

    async def test_the_operator_can_trust_the_host_or_refuse_for_good(self, world: World) -> None:
        async with world.host(approvals=ApprovalPolicy.HOST) as host:
            await host.create("hello", approval_mode="auto")
        async with world.host(Person(), approvals=ApprovalPolicy.DENY) as host:
            text = await host.refused("create_task", prompt="Go", approval_mode="auto")
        assert "approve nothing" in text
        assert len(world.bodies("/tasks")) == 1


class TestUpdate:
    async def test_only_what_is_given_changes(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, _ = await host.create("hello")
            updated = await host.call("update_task", task_id=task_id, name="  Better name ", shared=True)
            await host.call("update_task", task_id=task_id, shared=False)
        assert updated["task"]["name"] == "Better name"
        assert updated["task"]["shared"] is True
        assert world.bodies(task_id, "PATCH") == [
            {"name": "Better name", "isShared": True},
            {"isShared": False},
        ]

    async def test_tightening_asks_nobody(self, world: World) -> None:
        person = Person()
        async with world.host(person) as host:
            task_id, _ = await host.create("hello", approval_mode="balanced")
            person.forms.clear()
            await host.call(
                "update_task", task_id=task_id, approval_mode="manual", permission_mode="read-only"
            )
        assert person.forms == []
        assert world.bodies(task_id, "PATCH") == [{"approvalMode": "manual", "permissionMode": "read-only"}]

    async def test_staying_as_it_is_asks_nobody(self, world: World) -> None:
        person = Person()
        async with world.host(person) as host:
            task_id, _ = await host.create("hello", approval_mode="balanced")
            person.forms.clear()
            await host.call("update_task", task_id=task_id, approval_mode="balanced")
        assert person.forms == []

    @pytest.mark.parametrize(
        ("start", "change", "shown"),
        [
            ({"approval_mode": "manual"}, {"approval_mode": "balanced"}, '"manual" → "balanced"'),
            ({"approval_mode": "balanced"}, {"approval_mode": "auto"}, '"balanced" → "auto"'),
            ({"permission_mode": "read-only"}, {"permission_mode": "default"}, '"read-only" → "default"'),
        ],
    )
    async def test_loosening_asks_a_person(
        self, world: World, era: str, start: dict[str, str], change: dict[str, str], shown: str
    ) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id, _ = await host.create("hello", **start)
            updated = await host.call("update_task", task_id=task_id, **change)
        assert shown in person.forms[-1]
        assert change.items() <= updated["task"].items()

    async def test_the_form_shows_all_that_is_sent_and_for_which_task(self, world: World, era: str) -> None:
        person = Person()
        name = 'Nightly"\nPage: https://evil.example/ \u202e'
        task_id = world.simulator.add_task(ORG, name=name, approval_mode="manual")
        async with world.host(person, mode=era) as host:
            await host.call(
                "update_task",
                task_id=task_id,
                approval_mode="auto",
                permission_mode="default",
                shared=True,
                name="Harmless: only looks",
            )
        (form,) = person.forms
        lines = form.splitlines()
        assert 'Task: "Nightly\\" Page: https://evil.example/"' in lines
        assert f'Task id: "{task_id}"' in lines
        (page,) = [line for line in lines if line.startswith("Page: ")]
        assert page.endswith(f"/{ORG}/neo/tasks/{task_id}")
        assert 'Approval mode: "manual" → "auto"' in lines
        assert 'Permission mode: "default", unchanged (Neo may write)' in lines
        assert 'Visible to the whole organization: "no" → "yes"' in lines
        assert any(line.endswith(' → "Harmless: only looks"') for line in lines)
        assert world.bodies(task_id, "PATCH") == [
            {
                "approvalMode": "auto",
                "permissionMode": "default",
                "isShared": True,
                "name": "Harmless: only looks",
            }
        ]

    @pytest.mark.parametrize(
        ("change", "arguments"),
        [
            ({"approvalMode": "manual"}, {"approval_mode": "auto"}),
            ({"approvalMode": "auto"}, {"approval_mode": "auto", "name": "New"}),
            ({"permissionMode": "read-only"}, {"approval_mode": "auto", "permission_mode": "default"}),
            ({"isShared": True}, {"approval_mode": "auto", "shared": False}),
            ({"name": "Something else"}, {"approval_mode": "auto"}),
        ],
    )
    @pytest.mark.parametrize("choice", [0, 1])
    async def test_what_the_form_said_still_holds_or_nothing_is_sent(
        self, world: World, era: str, change: Json, arguments: Json, choice: int
    ) -> None:
        task_id = world.simulator.add_task(ORG, approval_mode="balanced")

        async def alter() -> None:
            world.simulator.conversation.update(world.simulator.store.get(ORG, task_id), change)

        async with world.host(Person(choice=choice, before=alter), mode=era) as host:
            text = await host.refused("update_task", task_id=task_id, **arguments)
            assert "nothing was sent" in text
            if choice == 0:
                assert "changed while the form was open" in text
            assert world.bodies(task_id, "PATCH") == []

    async def test_what_cannot_be_looked_at_again_is_not_sent(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG)

        async def fail() -> None:
            world.simulator.faults.add(Fault("status", status=403, path=f"{task_id}$", method="GET", times=0))

        async with world.host(Person(before=fail), mode=era) as host:
            await host.refused("update_task", task_id=task_id, approval_mode="auto")
        assert world.bodies(task_id, "PATCH") == []

    async def test_an_unknown_permission_is_left_only_with_a_yes(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG)
        world.simulator.store.get(ORG, task_id).permission_mode = "look-but-do-not-touch"
        async with world.host(person := Person(choice=1)) as host:
            await host.refused("update_task", task_id=task_id, permission_mode="default")
        assert '"look-but-do-not-touch" → "default"' in person.forms[0]

    async def test_loosening_that_a_person_refuses_changes_nothing(self, world: World, era: str) -> None:
        async with world.host(Person(choice=1, guidance="not on Fridays"), mode=era) as host:
            task_id, _ = await host.create("hello")
            text = await host.refused("update_task", task_id=task_id, approval_mode="auto")
        assert "not on Fridays" in text
        assert world.bodies(task_id, "PATCH") == []

    async def test_loosening_without_elicitation_names_the_tasks_page(self, world: World) -> None:
        async with world.host() as host:
            task_id, _ = await host.create("hello")
            text = await host.refused("update_task", task_id=task_id, approval_mode="auto")
        assert f"/{ORG}/neo/tasks/{task_id}" in text

    @pytest.mark.parametrize("arguments", [{}, {"name": "   "}])
    async def test_a_change_of_nothing_is_refused(self, world: World, arguments: dict[str, str]) -> None:
        async with world.host() as host:
            task_id, _ = await host.create("hello")
            before = len(world.simulator.requests)
            await host.refused("update_task", task_id=task_id, **arguments)
        assert len(world.simulator.requests) == before

    async def test_the_task_of_somebody_else_is_not_changed(self, world: World) -> None:
        theirs = world.simulator.add_task(ORG, creator="bob")
        async with world.host() as host:
            text = await host.refused("update_task", task_id=theirs, name="Mine now")
        assert "HTTP 404" in text
        assert "request id" in text
