"""Money a token: what the package costs over its life, and the electricity it draws."""

from __future__ import annotations

from dataclasses import dataclass

from stackyard.quantity import Numeric, Usd, Watt
from stackyard.source import Fact


@dataclass(frozen=True)
class Prices:
    """What a package costs (nan where not on record), over how long, and electricity; with the facts behind them."""

    package: float  # USD
    life: float  # s
    electricity: float  # USD per joule
    facts: tuple[Fact, ...] = ()


def cost_per_token(prices: Prices, watts: Watt, token_rate: Numeric) -> Usd:
    """USD per token of one accelerator = (price / life + watts electricity) / token rate.

    watts and tokens per second are of one accelerator; any shapes that broadcast. Straight-line, at full load for the
    whole life, without interest; host, network, building, cooling and staff are left out. nan where no price is known.

    >>> prices = Prices(package=31_557_600.0, life=31_557_600.0, electricity=1e-6)
    >>> cost_per_token(prices, watts=1000.0, token_rate=1000.0)
    0.001001
    """
    return (prices.package / prices.life + watts * prices.electricity) / token_rate
