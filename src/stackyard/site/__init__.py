"""Sites: climate, cooling, PUE, water, power, phases and what they cost. Pure functions; the month axis comes last.

- `plant`: plant(cooling, rejection) from the table of constants, conditions(plant, dry_bulb, wet_bulb) -> PUE, water,
  cooling and chiller share by month; facts() lists every constant with its range, grade and source
- `power`: system_power, it_power, pue, fits_rack
- `phases`: power_by_month, residual
- `account`: site_energy, electricity_cost, fitout_cost, carbon, water_volume
- `cooling`: free_share, chiller_work, cooling_power, tower_water
- `climate`: wet_bulb, saturated_humidity, humidity_ratio, enthalpy, seconds_above, over_month

Not modelled: losses at part load, direct outside air, demand charges, clean-power contracts, embodied carbon.
"""
