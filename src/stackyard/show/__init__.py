"""Answers in the terminal: tables and progress with rich. Computes nothing."""

from stackyard.show.facts import facts, findings, section, sections
from stackyard.show.memory import frontier, memory
from stackyard.show.perf import estimate, training, validation
from stackyard.show.plan import document, explanation, problem, result, why_not
from stackyard.show.screen import console, progress, reader_left
from stackyard.show.site import site
from stackyard.show.supply import checks, supply

__all__ = [
    "checks",
    "console",
    "document",
    "estimate",
    "explanation",
    "facts",
    "findings",
    "frontier",
    "memory",
    "problem",
    "progress",
    "reader_left",
    "result",
    "section",
    "sections",
    "site",
    "supply",
    "training",
    "validation",
    "why_not",
]
