"""The entities that a task is about and the model tokens that it has used, within bounds."""

from collections.abc import Sequence

from neo_mcp.core.sizes import memory_of
from neo_mcp.wire import Entity, EntityDiff, TokenUsage, identity

MAX_ENTITIES = 1000
MAX_ENTITIES_BYTES = 2**19
"""Maximum memory of the stored entities, the most recent ones; their number is limited as well."""

_MAX_MODELS = 100
_MAX_NAME = 200


def with_changes(entities: Sequence[Entity], diff: EntityDiff) -> tuple[tuple[Entity, ...], bool]:
    """Return the entities after a change, bounded to the most recent ones, and whether any were dropped."""
    gone = {identity(entity) for entity in (*diff.remove, *diff.add)}
    merged = [*(entity for entity in entities if identity(entity) not in gone), *diff.add]
    held = merged[-MAX_ENTITIES:]
    size = memory_of(held)
    while size > MAX_ENTITIES_BYTES:
        size -= memory_of(held.pop(0))
    return tuple(held), len(held) < len(merged)


def add_usage(usage: dict[str, TokenUsage], model: str, more: TokenUsage) -> None:
    """Add a message's tokens to those of its model; models beyond the bound count as one without a name."""
    name = model[:_MAX_NAME]
    if name not in usage and len(usage) >= _MAX_MODELS:
        name = ""
    before = usage.get(name, TokenUsage())
    usage[name] = TokenUsage(
        input_tokens=before.input_tokens + more.input_tokens,
        output_tokens=before.output_tokens + more.output_tokens,
        cache_creation_input_tokens=before.cache_creation_input_tokens + more.cache_creation_input_tokens,
        cache_read_input_tokens=before.cache_read_input_tokens + more.cache_read_input_tokens,
    )
