"""A package with the name of a verb: `stackyard.plan` holds the planner, and `stackyard.plan("openai-sk")` plans."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType
from typing import Any


class Verb(ModuleType):
    """The kind of such a package, given by `sys.modules[__name__].__class__ = Verb`; calling it calls the verb."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._function(*given, **named)

    @property
    def _function(self) -> Any:
        return getattr(import_module("stackyard.api"), self.__name__.rpartition(".")[2])

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)
