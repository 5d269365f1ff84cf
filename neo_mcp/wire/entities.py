"""Entities: the stacks, repositories, pull requests and policy issues that a task is about."""

import json
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from neo_mcp.wire.base import Flag, Many, Text, WireModel


class Stack(WireModel):
    """A Pulumi stack."""

    type: Literal["stack"] = "stack"
    name: str
    project: str


class Repository(WireModel):
    """A source repository; ``host`` only for self-hosted forges."""

    type: Literal["repository"] = "repository"
    name: str
    org: str
    forge: str | None = None
    host: str | None = None


class PullRequest(WireModel):
    """A pull request. The older documentation calls ``repo`` ``repository``; both are read."""

    type: Literal["pull_request"] = "pull_request"
    number: int
    merged: Flag = False
    repo: Repository = Field(validation_alias=AliasChoices("repo", "repository"))


class PolicyIssue(WireModel):
    """A policy violation."""

    type: Literal["policy_issue"] = "policy_issue"
    id: str
    name: str | None = None


class UnknownEntity(WireModel):
    """An entity of a type, or in a shape, that this version does not know."""

    type: Text = "unknown"


Entity = Annotated[
    Annotated[Stack | Repository | PullRequest | PolicyIssue, Field(discriminator="type")] | UnknownEntity,
    Field(union_mode="left_to_right"),
]


class EntityDiff(WireModel):
    """Entities to add to and to remove from a task."""

    add: Many[Entity] = ()
    remove: Many[Entity] = ()


def identity(entity: Entity) -> tuple[object, ...]:
    """The key by which two mentions of an entity are the same, whatever changed in between."""
    match entity:
        case Stack():
            return entity.type, entity.project, entity.name
        case Repository():
            return entity.type, entity.forge, entity.host, entity.org, entity.name
        case PullRequest():
            return entity.type, *identity(entity.repo), entity.number
        case PolicyIssue():
            return entity.type, entity.id
        case _:
            return entity.type, json.dumps(entity.model_dump(), sort_keys=True, default=str)
