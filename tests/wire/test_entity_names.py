"""What is shown of an entity can be given back, and names the same one."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.wire import (
    Entity,
    PolicyIssue,
    PullRequest,
    Repository,
    Stack,
    UnknownEntity,
    describe,
    parse_entity,
)
from neo_mcp.wire.entity_names import entity_form

PART = st.from_regex(r"[A-Za-z0-9_.%#:()+~é-]{1,12}", fullmatch=True).filter(lambda part: part.strip("."))
WORD = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
ODD = ["a on b (merged)", "a, b", " a ", "a'b", "*", "`a`", "My Repo"]
REPOSITORIES = st.builds(
    Repository,
    org=PART | st.sampled_from(["group/subgroup", "github.com", "www.github.com"]),
    name=PART | st.lists(PART, min_size=2, max_size=3).map("/".join) | st.sampled_from(ODD),
    forge=st.none() | WORD,
    host=st.none() | WORD,
)
ENTITIES: st.SearchStrategy[Entity] = st.one_of(
    st.builds(Stack, project=PART, name=PART),
    REPOSITORIES,
    st.builds(PullRequest, number=st.integers(1, 10**9 - 1), repo=REPOSITORIES, merged=st.booleans()),
    st.builds(PolicyIssue, id=PART, name=st.none() | PART),
)

EXAMPLES: dict[str, Entity] = {
    "stack": Stack(project="shop", name="prod"),
    "repository": Repository(org="acme", name="web", forge="gitlab", host="git.acme.com"),
    "pull request": PullRequest(number=7, repo=Repository(org="acme", name="web")),
    "policy issue": PolicyIssue(id="pi-1", name="No public buckets"),
}


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
        ("repository acme/My%20Repo", Repository(org="acme", name="My Repo")),
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
        ("https://github.com/acme/web/tree/main/a", Repository(org="acme", name="web", forge="github")),
        ("https://bitbucket.org/acme/web/src/x", Repository(org="acme", name="web", forge="bitbucket")),
        ("https://gitlab.com/acme/a/b/-/tree/main", Repository(org="acme", name="a/b", forge="gitlab")),
        (
            "https://dev.azure.com/acme/team/_git/web",
            Repository(org="acme/team", name="web", forge="azuredevops"),
        ),
        (
            "https://github.corp/x/y/pull/1",
            PullRequest(number=1, repo=Repository(org="x", name="y", forge="github", host="github.corp")),
        ),
        *(
            (
                f"https://{host}/a/b/c{way}/merge_requests/3{more}",
                PullRequest(
                    number=3,
                    repo=Repository(
                        org="a", name="b/c", forge="gitlab", host=None if host == "gitlab.com" else host
                    ),
                ),
            )
            for host in ("gitlab.com", "git.corp", "git.corp:8443")
            for way in ("", "/-")
            for more in ("", "/diffs?tab=1#note_2")
        ),
        *(
            (
                f"https://git.corp{path}",
                PullRequest(number=5, repo=Repository(org=org, name="R", forge="bitbucket", host="git.corp")),
            )
            for path, org in (
                ("/projects/P/repos/R/pull-requests/5", "P"),
                ("/projects/P/repos/R/pull-requests/5/overview", "P"),
                ("/users/jo/repos/R/pull-requests/5/diff#a", "~jo"),
            )
        ),
        *(
            (f"https://git.corp{path}", Repository(org="P", name="R", forge="bitbucket", host="git.corp"))
            for path in ("/projects/P/repos/R", "/projects/P/repos/R/browse/a?at=b", "/scm/P/R.git")
        ),
        *(
            (
                f"https://{host}/acme/web/pulls/3{more}",
                PullRequest(number=3, repo=Repository(org="acme", name="web", host=host)),
            )
            for host in ("codeberg.org", "git.corp")
            for more in ("", "/files")
        ),
        *(
            (address, Repository(org="acme/shop", name="web", forge="azuredevops"))
            for address in (
                "https://dev.azure.com/acme/shop/_git/web",
                "https://acme@dev.azure.com/acme/shop/_git/web",
                "git@ssh.dev.azure.com:v3/acme/shop/web",
                "ssh://git@ssh.dev.azure.com:22/v3/acme/shop/web",
            )
        ),
        *(
            (address, Repository(org="acme/web", name="web", forge="azuredevops"))
            for address in (
                "https://dev.azure.com/acme/_git/web",
                "https://acme.visualstudio.com/_git/web",
                "https://acme.visualstudio.com/DefaultCollection/web/_git/web?path=/a",
            )
        ),
        *(
            (
                f"https://{page}/pullrequest/7?_a=files",
                PullRequest(number=7, repo=Repository(org="acme/web", name="web", forge="azuredevops")),
            )
            for page in (
                "dev.azure.com/acme/_git/web",
                "acme.visualstudio.com/web/_git/web",
                "acme.visualstudio.com/DefaultCollection/_git/web",
            )
        ),
        ("https://jo@bitbucket.org/acme/web.git", Repository(org="acme", name="web", forge="bitbucket")),
        (
            "https://git.corp/a/b/c/-/tree/main/d",
            Repository(org="a", name="b/c", forge="gitlab", host="git.corp"),
        ),
        ("merge request a/b/c!3", PullRequest(number=3, repo=Repository(org="a", name="b/c"))),
        (
            "https://dev.azure.com/org/proj/_git/repo/pullrequest/7?_a=files",
            PullRequest(number=7, repo=Repository(org="org/proj", name="repo", forge="azuredevops")),
        ),
        (
            "https://tfs.corp/Collection/proj/_git/repo/pullrequest/7",
            PullRequest(
                number=7,
                repo=Repository(org="Collection/proj", name="repo", forge="azuredevops", host="tfs.corp"),
            ),
        ),
        ("https://ghe.acme.com/a/b/blob/main/c", Repository(org="a", name="b", host="ghe.acme.com")),
        ("ssh://git@github.com:22/acme/web.git", Repository(org="acme", name="web", forge="github")),
        ("github.com/acme/web", Repository(org="acme", name="web", forge="github")),
        ("repository github.com/acme/web", Repository(org="acme", name="web", forge="github")),
        ("https://app.pulumi.com/acme/shop/prod", Stack(project="shop", name="prod")),
        ("https://app.pulumi.com/acme/shop/prod/updates/3", Stack(project="shop", name="prod")),
        ("stack app.pulumi.com/acme/shop/prod", Stack(project="shop", name="prod")),
        *(
            (text, Stack(project="a", name="b"))
            for text in (
                *("stack `a/b`", "'stack a/b'", "\u201cstack a/b\u201d", "\ufeffstack a/b", "**stack a/b**"),
                *("Stack: a/b", "stack:a/b", "STACK  a/b", '"stack "a/b""'),
            )
        ),
        *(
            (text, Repository(org="acme", name="x"))
            for text in ("repo acme/x", "Repository: acme/x", "repository 'acme/x'")
        ),
        *(
            (text, PullRequest(number=3, repo=Repository(org="acme", name="x")))
            for text in ("pr acme/x#3", "PR: acme/x#3", "pull_request acme/x#3", "pull-request `acme/x#3`")
        ),
        ("Policy issue: ab", PolicyIssue(id="ab")),
        ("policy_issue ab", PolicyIssue(id="ab")),
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
        *(
            "https://github.com/acme/x/issues/3",
            "https://github.com/acme/x/pulls/3",
            "https://github.com/projects/P/repos/R/pull-requests/5",
            "https://bitbucket.org/projects/P/repos/R/pull-requests/5",
            "https://git.corp/projects/P/repos/R/settings",
            "https://git.corp/projects/P",
            "https://git.corp/bitbucket/projects/P/repos/R",
            "https://git.corp/bitbucket/users/jo/repos/R/browse",
            "https://jo:pw@bitbucket.org/acme/x.git",
            "https://jo@bitbucket.org/acme/x/src",
            "https://acme.visualstudio.com/web",
            "https://tfs.corp/tfs/Collection/proj/_git/repo",
            "https://git.corp/a/b/pulls",
            "https://git.corp/a/b/merge_requests",
            "https://secret@dev.azure.com/acme/shop/_git/web",
            "git@ssh.dev.azure.com:acme/shop/web",
            "https://github.com/acme/x/actions",
            "https://github.com/acme/x/pull/0",
            "https://github.com/orgs/acme",
            "https://github.com/acme/x please",
            "https://gist.github.com/acme/x",
            "https://raw.githubusercontent.com/acme/x/main/a",
            "https://gitlab.com/acme/x/-/issues/3",
            "https://gitlab.com/groups/acme/-/issues",
            "https://bitbucket.org/acme/x/issues/3",
            "https://ghe.acme.com/acme/x/issues/3",
            "https://dev.azure.com/acme/team",
            "https://app.pulumi.com/acme",
            "https://app.pulumi.com/acme/shop",
            "https://app.pulumi.com/acme/neo/tasks/1",
            "https://app.pulumi.com/acme/settings/members",
            "stack https://github.com/acme/x",
            "repository https://app.pulumi.com/acme/shop/prod",
            "repository https://github.com/acme/x/pull/3",
            "pull request https://github.com/acme/x",
            "github.com/acme",
        ),
        *("stack `a`/`b`", "stack a/ b", "stack a /b", "stack a/b, c/d", "stack a/b please"),
        *(
            "repository a /b",
            "repository a/b, c/d",
            "repository a/b please",
            "pull request a/b and c/d#1",
        ),
        *(
            "repository repository a/b",
            "repo: stack a/b",
        ),
        *("pull request a/b #1", "pull request a/b# 1", "pull request a/b#0", "pull request a/b#-1"),
        *(
            "pull request pull request a/b#1",
            "pull request pr a/b#1",
            "policy issue policy issue ab",
            "a/b#1",
        ),
        *("stack a/b\u200bc", "stack a/b\x1b[2J", "stack a/\u202eb", "stack a/" + "b" * 600),
    ],
)
def test_what_names_no_entity_is_told_from_one(text: str) -> None:
    assert parse_entity(text) is None or text.endswith("\n")


def test_a_stack_of_another_organization_is_refused_by_its_page() -> None:
    page = "https://app.pulumi.com/Acme/shop/prod"
    assert parse_entity(page, organization="acme") == Stack(project="shop", name="prod")
    assert parse_entity(page, organization="globex") is None
    assert "organization in use" in entity_form(page)


@pytest.mark.parametrize(
    "page", ["https://pulumi.corp/Acme/shop/prod", "http://127.0.0.1:8366/acme/shop/prod/"]
)
def test_the_page_of_a_stack_in_the_console_in_use_is_read(page: str) -> None:
    host = page.split("/")[2]
    stack = Stack(project="shop", name="prod")
    for text, kind in ((page, None), (f"stack {page}", None), (page, "stack")):
        assert parse_entity(text, kind, organization="acme", console=host) == stack
    assert parse_entity(page, organization="globex", console=host) is None
    assert "organization in use" in entity_form(page, console=host)
    assert parse_entity(page.replace("shop/prod", "neo/tasks/1"), console=host) is None
    assert "'stack project/name'" in entity_form(page.replace("shop/prod", "settings"), console=host)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "policy issue", "id": "8b1c"},
        {"type": "repo", "name": "acme/web"},
        {"type": "stack", "name": "shop/prod"},
        {"type": "environment", "id": "dev"},
        {"type": "policy_issue", "name": "8b1c"},
        {"type": "x" * 30},
    ],
    ids=str,
)
def test_what_is_shown_of_an_unknown_kind_passes_for_no_other_and_is_refused_with_what_to_do(
    content: dict[str, str],
) -> None:
    shown = describe(UnknownEntity.model_validate(content))
    for text in (shown, f"'{shown}'"):
        assert parse_entity(text) is None
        assert "Leave it out here: it stays with its task." in entity_form(text)
        for kind in ("stack", "repository", "pull request", "policy issue"):
            assert parse_entity(text, kind) is None


@pytest.mark.parametrize("entity", [*EXAMPLES.values()])
def test_where_the_kind_is_known_its_word_may_be_left_out(entity: Entity) -> None:
    kind = entity.type.replace("_", " ")
    whole = describe(entity)
    bare = whole.removeprefix(f"{kind} ")
    for text in (whole, bare, f"'{bare}'", f"{kind}: {bare}"):
        assert parse_entity(text, kind) == entity
    others = [describe(other) for other in EXAMPLES.values() if other is not entity]
    assert [parse_entity(other, kind) for other in others] == [None] * len(others)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("https://github.com/acme/x/issues/3", "'repository acme/x on github'"),
        ("https://gitlab.com/acme/a/b/-/issues/3", "'repository acme/a/b on gitlab'"),
        ("https://user:pw@github.com/acme/x", "'repository acme/x on github'"),
        ("https://token@git.corp/acme/x.git", "'repository acme/x at git.corp'"),
        ("https://git.corp/acme/x/issues/3", "'repository acme/x at git.corp'"),
        ("https://git.corp/acme/x/pulls", "'repository acme/x at git.corp'"),
        ("https://git.corp/projects/P/repos/R/settings", "'repository P/R on bitbucket at git.corp'"),
        ("https://git.corp/bitbucket/users/jo/repos/R", "'repository ~jo/R on bitbucket at git.corp'"),
        ("repository https://github.com/acme/x/pull/3", "'pull request acme/x#3 on github'"),
        ("stack github.com/acme/x", "'repository acme/x on github'"),
        ("https://app.pulumi.com/acme/settings/members", "'stack project/name'"),
        ("stack `a`/`b`", "'stack project/name'"),
        ("repo: a", "'repository org/name'"),
        ("pr acme/x #3", "'pull request org/name#12'"),
        ("acme/x#3", "'pull request org/name#12'"),
        ("acme/a/x!3", "'pull request org/name#12'"),
        ("a/b", "'stack project/name' or 'repository org/name'"),
        ("nonsense", "'policy issue id'"),
    ],
)
def test_what_names_no_entity_is_helped_with_the_form_of_what_it_may_mean(text: str, form: str) -> None:
    assert parse_entity(text) is None
    assert form in entity_form(text)
    for shown in re.findall(r"'([^']+)'", entity_form(text)):
        assert parse_entity(shown) is not None
        assert parse_entity(f"'{shown}'") == parse_entity(shown)
