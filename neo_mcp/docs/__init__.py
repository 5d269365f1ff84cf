"""The documentation that comes with the package: which pages there are, and their text.

Owns the list of pages. Who shows them are the command line and the server; the examples are programs of
their own, and nothing here imports them.
"""

from collections.abc import Mapping
from importlib import import_module

PAGES: Mapping[str, str] = {
    "tutorial": "From installing it to a first delegated task, simulated and then real.",
    "how-to": "Recipes: approvals, protected stacks, many tasks, CI, local tools, proxies, HTTP.",
    "team": "One server for many people: who is who, quotas, and how access ends.",
    "kubernetes": "A container image, replicas behind a load balancer, probes, traces, metrics and logs.",
    "reference": "Every tool, resource, prompt, setting, command and error. Generated.",
    "library": "The client, the watching layer and the service in programs of your own, with examples.",
    "api": "The library's classes and functions, from their docstrings. Generated.",
    "security": "What is promised, what is trusted, what is not covered, and every limit.",
    "data": "What leaves this machine, what is stored where, and how to remove it.",
    "performance": "How fast it is, and what others notice when one client attacks.",
    "explanation": "Why it works as it does.",
    "changelog": "What has changed.",
}
"""Every page, in the order of reading, and what is in it."""


def page(name: str) -> str:
    """A page's text, as Markdown.

    Raises:
        KeyError: If there is no such page.
    """
    if name not in PAGES:
        raise KeyError(name)
    # Not above: the server knows the pages, and is to start quickly.
    files = import_module("importlib.resources").files
    return str((files(__name__) / f"{name}.md").read_text("utf-8"))
