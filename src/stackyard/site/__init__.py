"""Sites: weather, cooling, PUE, water, power, phases, sources and what they cost. Pure functions; months come last.

- `weather`: Weather (8760 hours), hours_from_means, synthetic, by_month; `places`: weather of a known climate;
  `epw`: read_epw, a file of hourly weather
- `plant`: plant(cooling, rejection) from the table of constants, conditions(plant, dry, wet, load) -> PUE, water,
  cooling and chiller share by hour; facts() lists every constant with its range, grade and source
- `year`: year(plant, weather, load) -> PUE, water and hours of each mode by month, and the planner's line
- `losses`: Curve, conversion, line; `power`: system_power, it_power, pue, fits_rack
- `phases`: power_by_month, residual
- `account`: site_energy, electricity_cost, fitout_cost, carbon, water_volume
- `cooling`: free_share, chiller_work, cooling_power, tower_water, wetted, pad_water
- `climate`: wet_bulb, saturated_humidity, humidity_ratio, enthalpy

Not modelled: set points that follow the weather, control bands, failures of the plant, ice and fog.
"""

import sys

from stackyard.verb import Verb

sys.modules[__name__].__class__ = Verb  # `stackyard.site(...)` is the verb
