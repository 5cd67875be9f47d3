"""The verbs that put the models beside measurements, re-exported by `stackyard.api`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from stackyard.files import atomically

if TYPE_CHECKING:
    from stackyard.perf.calibration.aims import Aim, PeerLine
    from stackyard.perf.calibration.power import PowerLine
    from stackyard.perf.calibration.training_check import Validated
    from stackyard.perf.calibration.validate import Comparison


def validate(path: Path | str | None = None, *, predict: Path | str | None = None) -> Comparison:
    """The performance model beside measurements: the package's own table, or a user's in the published columns.

    `predict` names a file that gets the user's table with predictions beside it. Raises InputErrors for a bad table.
    """
    from stackyard.perf.calibration.validate import validate as compared
    from stackyard.perf.calibration.validate import write_predictions

    if predict is not None and path is not None:
        write_predictions(Path(path), Path(predict))
    return compared(None if path is None else Path(path))


def write_validation(found: Comparison, folder: Path | str, *, whole: bool = True) -> list[Path]:
    """Writes a comparison as accuracy.html, .csv and .md; `whole` puts training and power beside it."""
    from stackyard.perf.calibration import power
    from stackyard.report.accuracy import document
    from stackyard.report.formats import FORMATS

    others = (validate_training().compared, power.lines()) if whole else ((), [])
    report = document(found, *others, date=date.today().isoformat())
    paths = [Path(folder) / f"accuracy.{name}" for name in ("html", "csv", "md")]
    for path in paths:
        with atomically(path) as beside:
            beside.write_bytes(FORMATS[path.suffix[1:]](report))
    return paths


def validate_training(path: Path | str | None = None, *, predict: Path | str | None = None) -> Validated:
    """The training model beside measured steps: the package's table, or a user's in the published columns.

    `predict` names a file that gets an estimate and its interval for each row. InputErrors for a table without rows
    that can be compared.
    """
    from stackyard.perf.calibration.training_check import validated

    return validated(None if path is None else Path(path), None if predict is None else Path(predict))


def is_training(path: Path | str) -> bool:
    """Whether a table of measurements is of training runs.

    >>> is_training("nowhere.csv")
    False
    """
    from stackyard.perf.calibration.training_table import is_training as of_training

    return Path(path).is_file() and of_training(Path(path))


def aims(found: Comparison, training: Validated | None = None) -> list[Aim]:
    """What was aimed at, and how far a comparison of the package's own table is from it, held out and as fitted."""
    from stackyard.perf.calibration.aims import aims as compared

    return compared(found, training)


def peers() -> tuple[PeerLine, ...]:
    """Others' programs and ours on the same measured rows, as bench/peers last ran them.

    >>> sorted({line.peer for line in peers()})
    ['aiconfigurator', 'genz-llm', 'llm-analysis']
    """
    from stackyard.perf.calibration.aims import peers as told

    return told()


def validate_power() -> list[PowerLine]:
    """Errors of power and energy on the package's measured figures, by figure and chip.

    >>> sorted({line.what for line in validate_power()})
    ['joules a token', 'mean power', 'peak power']
    """
    from stackyard.perf.calibration.power import lines

    return lines()
