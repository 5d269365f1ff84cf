"""An example of what the page is given, of every kind: for looks, and for texts that no simulator has."""

from typing import Any

Json = dict[str, Any]

TASK_ID = "task-1"
DIFF = [
    {
        "path": "index.ts",
        "kind": "changed",
        "added": 5,
        "removed": 3,
        "lines": [
            {"k": "@", "s": "@@ -14,4 +14,7 @@"},
            {"k": " ", "s": 'const assets = new aws.s3.BucketV2("assets", { tags });'},
            {"k": "-", "s": 'new aws.s3.BucketAclV2("assets-acl", {'},
            {"k": "-", "s": "    bucket: assets.id,"},
            {"k": "-", "s": '    acl: "public-read",'},
            {"k": "+", "s": 'new aws.s3.BucketPublicAccessBlock("assets-private", {'},
            {"k": "+", "s": "    bucket: assets.id,"},
            {"k": "+", "s": "    blockPublicAcls: true,"},
            {"k": "+", "s": "    ignorePublicAcls: true,"},
            {"k": "+", "s": "    restrictPublicBuckets: true,"},
            {"k": " ", "s": "});"},
        ],
        "cut": 0,
    },
    {
        "path": "docs/buckets.md",
        "kind": "added",
        "added": 2,
        "removed": 0,
        "lines": [{"k": "+", "s": "# Buckets"}, {"k": "+", "s": "None of ours is public."}],
        "cut": 12,
    },
    {
        "path": "old/policy.json",
        "kind": "removed",
        "added": 0,
        "removed": 1,
        "lines": [{"k": "-", "s": "{}"}],
        "cut": 0,
    },
]


def paragraph(*pieces: object) -> Json:
    """One paragraph of formatted text."""
    return {"t": "p", "c": list(pieces)}


def tag(name: str, *pieces: object, **more: str) -> Json:
    """An element of formatted text."""
    return {"t": name, "c": list(pieces), **more}


REPORT = [
    tag("h2", "The bucket ", tag("code", "assets"), " is private now"),
    paragraph(
        "Requests without a signature get ",
        tag("strong", "403"),
        ". See ",
        tag("a", "pull request 214", href="https://github.example.com/acme/storefront/pull/214"),
        ".",
    ),
    tag("ul", tag("li", "One bucket of three was public."), tag("li", "The others stay as they are.")),
    tag("pre", tag("code", "pulumi up --stack prod\n", lang="sh")),
    tag(
        "table",
        tag("thead", tag("tr", tag("th", "step"), tag("th", "risk"))),
        tag("tbody", tag("tr", tag("td", "add a public access block"), tag("td", "none"))),
    ),
]


def items() -> list[Json]:
    """An entry of every kind."""
    made: list[Json] = [
        {"kind": "user", "who": "alice", "text": [paragraph("Find our public buckets and close them.")]},
        {
            "kind": "assistant",
            "who": "Neo",
            "text": [paragraph("First I look for every bucket that anybody can read.")],
        },
        {
            "kind": "tool",
            "name": "pulumi__resource_search",
            "state": "done",
            "seconds": 1.5,
            "arguments": '{"query": "type:aws:s3/bucketV2:BucketV2", "properties": true}',
            "progress": "Searching 41 stacks",
            "output": '{"total": 3, "resources": ["assets", "invoices", "build-cache"]}',
            "output_cut": True,
        },
        {
            "kind": "entities",
            "added": ["stack storefront/prod", "repository acme/storefront"],
            "removed": ["policy issue issue-1"],
        },
        {
            "kind": "tool",
            "name": "filesystem__edit",
            "state": "done",
            "seconds": 1,
            "arguments": '{"path": "index.ts"}',
            "progress": "",
            "output": "",
            "output_cut": False,
        },
        {
            "kind": "approval",
            "state": "approved",
            "title": "Run pulumi preview on storefront/prod?",
            "text": [paragraph("Run ", tag("code", "pulumi preview"), " on storefront/prod?")],
            "tool": "pulumi__preview",
            "request": "approval",
            "request_id": "approval-0",
            "diff": DIFF[:1],
            "files_cut": 2,
        },
        {
            "kind": "decision",
            "who": "You",
            "state": "approved",
            "request": "approval-0",
            "text": [paragraph("go on")],
        },
        {"kind": "note", "title": "Asked Neo to stop."},
        {"kind": "compression", "text": ["The conversation so far was summarised."]},
        {"kind": "warning", "text": ["The provider is two major versions behind."]},
        {
            "kind": "tool",
            "name": "pulumi__up",
            "state": "failed",
            "seconds": 127,
            "arguments": '{"stack": "dev"}',
            "progress": "",
            "output": "error: no credentials",
            "output_cut": False,
        },
        {"kind": "error", "text": ["The deployment failed."]},
        {"kind": "cancelled", "text": ["The turn was cancelled."]},
        {"kind": "something_new", "text": ["an event of a kind that is not known yet"]},
        {"kind": "assistant", "who": "Neo", "text": REPORT},
        {
            "kind": "tool",
            "name": "pulumi__preview",
            "state": "running",
            "seconds": 61,
            "arguments": '{"stack": "prod"}',
            "progress": "Previewing update (prod)\nRefreshing 38 resources",
            "output": "",
            "output_cut": False,
        },
    ]
    return [
        {"index": n, "id": f"item-{n}", "at": f"2026-11-22T03:{n:02}:00Z", **item}
        for n, item in enumerate(made)
    ]


APPROVAL: Json = {
    "kind": "approval",
    "id": "approval-1",
    "title": "Open a pull request in acme/storefront?",
    "text": [
        paragraph("Open a pull request in ", tag("code", "acme/storefront"), "?"),
        paragraph("The preview shows what I expected."),
    ],
    "operation": {
        "tool": "github create_pull_request",
        "stack": "storefront/prod",
        "sensitive": True,
        "protected": True,
        "arguments": '{\n  "repository": "acme/storefront",\n  "branch": "fix/private-assets"\n}',
    },
    "diff": DIFF,
    "answers": ["approve", "deny"],
    "files_cut": 4,
    "note": "",
    "removed": "Removed from this form: 3 invisible characters or terminal sequences. Review it carefully.",
}
QUESTION: Json = {
    "kind": "question",
    "id": "question-1",
    "title": "Which AWS region shall the queue live in?",
    "text": [paragraph("Which AWS region shall the queue live in? The other services are spread over two.")],
    "operation": None,
    "diff": [],
    "options": [
        {"label": "eu-west-1", "value": "eu-west-1"},
        {"label": "us-east-1", "value": "us-east-1"},
    ],
    "answers": ["answer"],
    "removed": "",
}
PLAN: Json = {
    "kind": "plan",
    "id": "plan-1",
    "title": "Close the public bucket assets",
    "text": [paragraph("Shall I go on with this plan?"), *REPORT],
    "operation": None,
    "diff": [],
    "answers": ["approve", "deny"],
    "removed": "",
}
ERROR: Json = {
    "kind": "error",
    "id": "",
    "title": "The deployment failed: the provider has no credentials.",
    "text": [paragraph("The deployment failed: the provider has no credentials.")],
    "operation": None,
    "diff": [],
    "answers": ["message"],
    "removed": "",
}


def task(**changes: object) -> Json:
    """A task in the middle of its work."""
    every = items()
    view: Json = {
        "organization": "acme",
        "task_id": TASK_ID,
        "url": "https://app.pulumi.com/acme/neo/tasks/task-1",
        "title": "Fix the public bucket in storefront/prod",
        "status": "running",
        "phase": "running",
        "writable": True,
        "turn": "running",
        "activity": "to-do 2 of 4 done, now: Preview the change; running pulumi__preview (38 resources)",
        "created_at": "2026-11-22T02:50:00Z",
        "settings": {"approval_mode": "manual", "permission_mode": "default", "plan_mode": True},
        "connection": {"state": "open", "error": ""},
        "attention": [],
        "todos": [
            {"content": "Find buckets that are publicly readable", "status": "completed"},
            {"content": "Fix the program", "status": "completed"},
            {"content": "Preview the change", "status": "in_progress"},
            {"content": "Open a pull request", "status": "pending"},
        ],
        "usage": {
            "input": 48_211,
            "output": 3_240,
            "cache_read": 120_000,
            "cache_write": 8_000,
            "window": {"used": 8_786, "size": 200_000},
        },
        "entities": [
            {
                "kind": "stack",
                "label": "storefront/prod",
                "url": "https://app.pulumi.com/acme/storefront/prod",
            },
            {"kind": "repository", "label": "acme/storefront", "url": None},
            {
                "kind": "pull_request",
                "label": "acme/storefront#214",
                "url": "https://github.example.com/acme/storefront/pull/214",
            },
        ],
        "items": every,
        "first": 0,
        "total": len(every),
        "cursor": "c1",
    }
    return {**view, **changes}


def tasks() -> Json:
    """A list of recent tasks."""
    rows = [
        ("task-1", "Fix the public bucket in storefront/prod", "running", True, "2026-11-22T03:10:00Z"),
        ("task-2", "Upgrade the AWS provider in eleven stacks", "running", False, "2026-11-22T02:10:00Z"),
        ("task-3", "Why does the staging deployment fail?", "idle", False, "2026-11-20T03:10:00Z"),
    ]
    return {
        "organization": "acme",
        "tasks": [
            {
                "task_id": task_id,
                "title": title,
                "status": status,
                "attention": attention,
                "created_at": at,
                "created_by": "alice",
            }
            for task_id, title, status, attention, at in rows
        ],
        "next": None,
    }
