"""The command line's verbs of memory supply and of sites. `cli` offers them."""

from pathlib import Path
from typing import Annotated

import typer

from stackyard.cli.options import Height, Json, print_json


def supply(
    product: Annotated[str | None, typer.Argument(help="A product: hbm4-12h; `facts hbm` lists them.")] = None,
    maker: Annotated[str, typer.Option(help="sk-hynix, samsung or micron; the industry's yields if left out.")] = "",
    wafers: Annotated[str, typer.Option(help="Wafers started: 10000, or each month: '900 kwafer/month'.")] = "1",
    height: Height = None,
    chip: Annotated[str | None, typer.Option(help="On to accelerators and power: rubin-vr200.")] = None,
    model: Annotated[str | None, typer.Option(help="And to tokens a day, with --chip: deepseek-v3.")] = None,
    precision: Annotated[str, typer.Option(help="Of that model: bf16, fp8, fp4.")] = "fp8",
    made: Annotated[float, typer.Option(help="Made since the yield was reported, over what was made then: 2.")] = 1.0,
    sources: Annotated[bool, typer.Option("--sources", help="Show every fact and where it was read.")] = False,
    checks: Annotated[bool, typer.Option("--check", help="The chain against what shipped, instead.")] = False,
    as_json: Json = False,
) -> None:
    """What HBM wafers come to: dies, stacks, gigabytes, DDR5 displaced, accelerators, megawatts and tokens a day."""
    from stackyard import api, show

    if checks:
        told = api.supply_checks()
        print_json([vars(check) for check in told]) if as_json else show.checks(told)
        return
    if product is None:
        raise typer.BadParameter("name a product, such as hbm4-12h, or --check", param_hint="PRODUCT")
    found = api.supply(
        product, wafers, maker, height=height, chip=chip, model=model, precision=precision.lower(), made=made
    )
    print_json(found.summary()) if as_json else show.supply(found, sources)


def site(
    name: Annotated[str | None, typer.Argument(help="A site or climate of the catalogue: ulsan, frankfurt.")] = None,
    epw: Annotated[Path | None, typer.Option(help="A file of hourly weather (EPW) instead.")] = None,
    cooling: Annotated[str, typer.Option(help="air, outside-air, hybrid, liquid or legacy.")] = "liquid",
    rejection: Annotated[str, typer.Option(help="dry, adiabatic or tower.")] = "dry",
    load: Annotated[str, typer.Option(help="IT power over what the site is built for.")] = "75%",
    sources: Annotated[bool, typer.Option("--sources", help="Show every constant and where it was read.")] = False,
    as_json: Json = False,
) -> None:
    """PUE, water and modes of cooling of a site by month, from the hours of a year and the load."""
    from stackyard import api, show

    found = api.site(name, epw=epw, cooling=cooling, rejection=rejection, load=load)
    print_json(found.summary()) if as_json else show.site(found, sources)


COMMANDS = (supply, site)
