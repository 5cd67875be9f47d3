"""What the words of an api's caller mean: a time, a price; and how a word is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackyard.catalog import load
from stackyard.errors import Fault, InputErrors

if TYPE_CHECKING:
    from stackyard.catalog.entries import Accelerator
    from stackyard.perf.cost import Prices

LIFE, ELECTRICITY = "operation.lifetime.economic-life-central", "costs.electricity.us-wholesale.2026"


def seconds(option: str, text: str) -> float:
    """A time above 0, such as '500 ms'; InputErrors that name the option otherwise."""
    from stackyard.quantity import UnitError, parse

    example = f"for example {option} '500 ms'"
    try:
        value = parse(text, "s")
    except UnitError as error:
        raise refused(option, str(error), example) from None
    if value <= 0:
        raise refused(option, f"'{text}' is not above 0", example)
    return value


def refused(key: str, message: str, hint: str) -> InputErrors:
    """One refusal of what was asked on the command line."""
    return InputErrors([Fault("command line", 0, key, message, hint)])


def prices(part: Accelerator) -> Prices:
    """The package's price, the economic life and the price of electricity that the catalogue has for planning."""
    from stackyard.perf.cost import Prices

    life, electricity = (load().fact(path) for path in (LIFE, ELECTRICITY))
    price = [part.facts["price"]] if "price" in part.facts else []
    return Prices(part.price, life.si, electricity.si, (*price, life, electricity))
