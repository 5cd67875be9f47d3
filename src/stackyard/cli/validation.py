"""The command `validate`. `cli` offers it."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from stackyard.cli.options import Json, print_json
from stackyard.cli.serving import validate_serving


def validate(
    table: Annotated[
        Path | None, typer.Argument(help="Your measurements (CSV); the built-in ones when left out.")
    ] = None,
    predict: Annotated[bool, typer.Option("--predict", help="Write TABLE-predicted.csv beside your table.")] = False,
    into: Annotated[
        Path | None, typer.Argument(help="Where --serving --predict writes; beside your table if left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also write accuracy.html, .csv and .md into this folder.")
    ] = None,
    serving: Annotated[
        bool, typer.Option("--serving", help="Latencies under load: the simulator against measured serving runs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the performance model with measurements: bias, errors and interval coverage by source, chip and model."""
    from stackyard import api, show

    target = table.with_name(f"{table.stem}-predicted.csv") if predict and table else None
    if serving:
        validate_serving(table, into or target if predict else None, as_json)
        return
    if table is not None and api.is_training(table):
        read = api.validate_training(table, predict=target)
        print_json(dataclasses.asdict(read)) if as_json else show.validated_training(read, target)
        return
    found = api.validate(table, predict=target)
    training = api.validate_training() if table is None else None
    power = api.validate_power() if table is None else []
    aimed, peers = (api.aims(found, training), api.peers()) if table is None else ([], ())
    written = [target] if target else []
    if out is not None:
        written += api.write_validation(found, out, whole=table is None)
    if as_json:
        by = {name: [vars(line) for line in found.lines(name)] for name in ("source", "chip", "model")}
        told: dict[str, Any] = {"targets": [vars(line) for line in found.targets()], **by}
        told["scenarios"] = [vars(line) for line in found.lines("scenario", "metric")]
        told["training"] = dataclasses.asdict(training) if training else {}
        told |= {"power": [vars(line) for line in power], "peers": [vars(line) for line in peers]}
        told["aims"] = [dataclasses.asdict(line) | {"met": line.met} for line in aimed]
        told["account"] = [vars(line) | {"rows": line.rows} for line in found.account()]
        print_json({**told, "excluded": found.excluded(), "left_out": found.left_out})
    else:
        show.validation(found, training, power, written, aimed, peers)
