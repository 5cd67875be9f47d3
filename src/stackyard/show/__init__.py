"""Answers in the terminal: tables and progress with rich. Computes nothing."""

from stackyard.show.facts import facts, findings, section, sections
from stackyard.show.memory import frontier, memory
from stackyard.show.perf import estimate, training, validation
from stackyard.show.plan import explanation, problem, result
from stackyard.show.screen import console, progress, reader_left
from stackyard.show.serving import capacity, serving, simulation

__all__ = [
    "capacity",
    "console",
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
    "serving",
    "simulation",
    "training",
    "validation",
]
