"""Answers in the terminal: tables and progress with rich. Computes nothing."""

from stackyard.show.facts import facts, findings, section, sections
from stackyard.show.memory import frontier, memory
from stackyard.show.perf import estimate, pools
from stackyard.show.plan import document, explanation, problem, result, why_not
from stackyard.show.screen import console, progress, reader_left
from stackyard.show.serving import capacity, serving, simulation
from stackyard.show.site import site
from stackyard.show.supply import checks, supply
from stackyard.show.training import training, validated_training
from stackyard.show.validation import validation

__all__ = [
    "capacity",
    "checks",
    "console",
    "document",
    "estimate",
    "explanation",
    "facts",
    "findings",
    "frontier",
    "memory",
    "pools",
    "problem",
    "progress",
    "reader_left",
    "result",
    "section",
    "sections",
    "serving",
    "simulation",
    "site",
    "supply",
    "training",
    "validated_training",
    "validation",
    "why_not",
]
