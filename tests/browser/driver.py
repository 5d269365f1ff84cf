"""Playwright, which drives the browser; without it, names in its place, so that tests are collected.

They are skipped then, and have their rows among the promises all the same.
"""

from typing import TYPE_CHECKING, Any

from tests.support.optional import is_here

if TYPE_CHECKING or is_here("playwright"):
    from playwright.async_api import Browser, ConsoleMessage, Frame, Page, Route, async_playwright, expect
else:
    Browser = ConsoleMessage = Frame = Page = Route = Any
    async_playwright = expect = None

__all__ = ["Browser", "ConsoleMessage", "Frame", "Page", "Route", "async_playwright", "expect"]
