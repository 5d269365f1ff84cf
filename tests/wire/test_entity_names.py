"""What is shown of an entity can be given back, and names the same one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.wire import Entity, PolicyIssue, PullRequest, Repository, Stack, describe, parse_entity

PART = st.from_regex(r"[A-Za-z0-9_.%#:()+~é-]{1,12}", fullmatch=True).filter(lambda part: part.strip("."))
WORD = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
REPOSITORIES = st.builds(
    Repository,
    org=PART | st.just("group/subgroup"),
    name=PART | st.lists(PART, min_size=2, max_size=3).map("/".join) | st.just("a on b (merged)"),
    forge=st.none() | WORD,
    host=st.none() | WORD,
)
ENTITIES: st.SearchStrategy[Entity] = st.one_of(
    st.builds(Stack, project=PART, name=PART),
    REPOSITORIES,
    st.builds(PullRequest, number=st.integers(0, 10**9 - 1), repo=REPOSITORIES, merged=st.booleans()),
    st.builds(PolicyIssue, id=PART, name=st.none() | PART),
)


@given(ENTITIES)
def test_what_is_shown_means_the_same_when_it_is_given_back(entity: Any) -> None:  # noqa: ANN401 - any entity
    assert parse_entity(describe(entity)) == entity


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("stack billing/prod-", Stack(project="billing", name="prod-")),
        ("stack billing/dev.", Stack(project="billing", name="dev.")),
        (" Stack  billing/-canary ", Stack(project="billing", name="-canary")),
        ("repository acme/.github", Repository(org="acme", name=".github")),
        ("repository acme/platform/tools/web", Repository(org="acme", name="platform/tools/web")),
        (
            "repository acme/web on gitlab at git.acme.com",
            Repository(org="acme", name="web", forge="gitlab", host="git.acme.com"),
        ),
        ("repository https://github.com/acme/web.git", Repository(org="acme", name="web", forge="github")),
        ("git@github.com:acme/web.git", Repository(org="acme", name="web", forge="github")),
        (
            "https://ghe.acme.com/acme/web",
            Repository(org="acme", name="web", host="ghe.acme.com"),
        ),
        (
            "https://github.com/acme/.github/pull/12/files",
            PullRequest(number=12, repo=Repository(org="acme", name=".github", forge="github")),
        ),
        (
            "pull request https://gitlab.com/acme/a/b/-/merge_requests/3",
            PullRequest(number=3, repo=Repository(org="acme", name="a/b", forge="gitlab")),
        ),
        (
            "https://git.acme.com/acme/web/-/merge_requests/3",
            PullRequest(
                number=3, repo=Repository(org="acme", name="web", forge="gitlab", host="git.acme.com")
            ),
        ),
        (
            "pull request acme/web#7 (merged)",
            PullRequest(number=7, repo=Repository(org="acme", name="web"), merged=True),
        ),
        ("policy issue 8b1c-3a52", PolicyIssue(id="8b1c-3a52")),
        ("policy issue 8b1c (No public buckets)", PolicyIssue(id="8b1c", name="No public buckets")),
    ],
)
def test_names_that_a_forge_or_the_cloud_allows_are_taken(text: str, entity: Entity) -> None:
    assert parse_entity(text) == entity


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "stack",
            "stack prod",
            "stack a/b/c",
            "stack /prod",
            "stack a/..",
            "stack ./a",
            "stack a%2F../b",
        ),
        *("repository web", "repository ../web", "repository a/../b", "repository a//b", "repository a/b\n"),
        *("pull request a/b", "pull request a/b#x", "pull request a#1", "policy issue", "policy issue .."),
        *(
            "https://user:pw@github.com/a/b",
            "ftp://github.com/a/b",
            "https://[a/b/c",
            "https://github.com/a",
            "a/b",
        ),
        *("stack a/b\u200bc", "stack a/b\x1b[2J", "stack a/\u202eb", "stack a/" + "b" * 600),
    ],
)
def test_what_names_no_entity_is_told_from_one(text: str) -> None:
    assert parse_entity(text) is None or text.endswith("\n")
