"""The API's enumerations.

Responses may carry values newer than this program: such fields are typed ``Enum | str`` and hold the value as
sent. Requests take the enums alone.
"""

from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field

from neo_mcp.wire.base import Lenient


class TaskStatus(StrEnum):
    """The status of a task's turn. The last four values belong to the first generation of the API."""

    RUNNING = "running"
    IDLE = "idle"
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


class ApprovalMode(StrEnum):
    """The actions that Neo asks a person to approve first, strictest mode first."""

    MANUAL = "manual"
    BALANCED = "balanced"
    AUTO = "auto"


class PermissionMode(StrEnum):
    """The access that Neo has: what it may write to."""

    DEFAULT = "default"
    READ_ONLY = "read-only"


class ToolExecutionMode(StrEnum):
    """Where tools run."""

    CLOUD = "cloud"
    CLI = "cli"
    WORKER = "worker"


class TaskSource(StrEnum):
    """The surface or integration that started a task."""

    API = "api"
    CONSOLE = "console"
    CLI = "cli"
    SLACK = "slack"
    SCHEDULE = "schedule"
    GITHUB = "github"
    CODE_REVIEW = "code-review"


class TaskType(StrEnum):
    """The kind of starter of a task: a person or an automation."""

    SYNC = "sync"
    ASYNC = "async"


class AsyncTriggerType(StrEnum):
    """The trigger of an automation's task."""

    SCHEDULED = "scheduled"
    EXTERNAL_SIGNAL = "external_signal"


class RuntimePhase(StrEnum):
    """How far the task's runtime is."""

    BOOTING = "booting"
    READY = "ready"
    RUNNING = "running"


class VcsProvider(StrEnum):
    """The version control system that a task works against."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    AZURE_DEVOPS = "azure_devops"
    CUSTOM = "custom"
    GITHUB_ENTERPRISE = "github_enterprise"


class SortBy(StrEnum):
    """Order of a task list."""

    LAST_EVENT = "lastEvent"
    CREATED = "created"
    STATUS = "status"
    NAME = "name"
    TOKENS_USED = "tokensUsed"


class SortDirection(StrEnum):
    """Direction of a task list."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class ApprovalType(StrEnum):
    """The kind of approval that is requested."""

    GENERAL = "general"
    TOOL_PERMISSION = "tool_permission"
    PLAN_EXIT = "plan_exit"


class Sensitivity(StrEnum):
    """The sensitivity of an approval: ``sensitive`` ones still ask in the balanced mode."""

    REGULAR = "regular"
    SENSITIVE = "sensitive"


class ApprovalSource(StrEnum):
    """The component that requests an approval."""

    AGENT = "agent"
    SYSTEM = "system"
    HYBRID = "hybrid"


class CompressionStatus(StrEnum):
    """The result of a context compression."""

    COMPRESSING = "compressing"
    COMPRESSED = "compressed"
    FAILED = "failed"
    SKIPPED = "skipped"


class OrganizationRole(StrEnum):
    """A user's role in an organization."""

    NONE = "none"
    MEMBER = "member"
    ADMIN = "admin"
    POTENTIAL_MEMBER = "potential-member"
    STACK_COLLABORATOR = "stack-collaborator"
    BILLING_MANAGER = "billing-manager"


_E = TypeVar("_E", bound=StrEnum)

Open = Lenient[Annotated[_E | str, Field(union_mode="left_to_right")]]
"""A response's enumeration: a member where it is known, else the text as sent."""
