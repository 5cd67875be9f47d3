"""How results meet notebooks: tables of pandas, data sets of xarray, and HTML. Each library loads when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Columns = dict[str, tuple[Any, str]]  # name -> (one value or an array of them, unit)


class Tabular:
    """A result that is columns with units: `columns()` names them, all of one shape or of none."""

    def columns(self) -> Columns:
        """Name -> (values, unit), in SI unless the unit says otherwise."""
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """A row for each point; `attrs["units"]` has the units.

        >>> import stackyard
        >>> frame = stackyard.supply("hbm4-12h", "10000", "sk-hynix").to_pandas()
        >>> list(frame.columns)
        ['step', 'amount', 'low', 'high', 'unit', 'grade']
        """
        import pandas as pd

        shaped, units, _ = self._shaped()
        frame = pd.DataFrame({name: values.ravel() for name, values in shaped.items()})
        frame.attrs["units"] = units
        return frame

    def to_xarray(self) -> xr.Dataset:
        """The same with its axes kept; every variable has its `units`."""
        import xarray as xr

        shaped, units, dims = self._shaped()
        return xr.Dataset({name: (dims, values, {"units": units[name]}) for name, values in shaped.items()})

    def _shaped(self) -> tuple[dict[str, Any], dict[str, str], tuple[str, ...]]:
        import numpy as np

        columns = self.columns()
        arrays = np.broadcast_arrays(*(np.asarray(values) for values, _ in columns.values()))
        rank = arrays[0].ndim
        dims = ("row",) if rank == 1 else tuple(f"axis_{i}" for i in range(rank))
        return dict(zip(columns, arrays, strict=True)), {name: unit for name, (_, unit) in columns.items()}, dims


def by_rows(rows: Iterable[Mapping[str, Any]], units: Mapping[str, str] | None = None) -> Columns:
    """Columns of rows that all have the same names.

    >>> by_rows([{"of": "a", "size": 1.0}, {"of": "b", "size": 2.0}], {"size": "B"})
    {'of': (['a', 'b'], ''), 'size': ([1.0, 2.0], 'B')}
    """
    listed = list(rows)
    names = list(listed[0]) if listed else []
    return {name: ([row[name] for row in listed], (units or {}).get(name, "")) for name in names}


class Labelled:
    """A result that is a labelled data set: `to_xarray()` gives it, each variable with its `units` and meaning."""

    def to_xarray(self) -> xr.Dataset:
        """The data set itself."""
        raise NotImplementedError

    def to_pandas(self, name: str = "") -> pd.DataFrame | pd.Series[Any]:
        """One variable as a series over its axes, or every amount that is not zero, a row each.

        Raises KeyError for a variable that is not there.
        """
        data = self.to_xarray()
        return data[name].to_series() if name else _listed(data)

    def _repr_html_(self) -> str:
        return str(self.to_xarray()._repr_html_())


def _listed(data: xr.Dataset) -> pd.DataFrame:
    """Every amount of a labelled data set that is not zero, a row each: variable, its axes, value, unit."""
    import pandas as pd

    tables = []
    for name, array in data.data_vars.items():
        series = array.to_series()
        rows = series[series != 0].rename("value").reset_index()
        rows.insert(0, "variable", str(name))
        tables.append(rows.assign(unit=array.attrs.get("units", "")))
    found = pd.concat(tables, ignore_index=True)
    axes = [str(dim) for dim in data.dims if dim in found and found[dim].notna().any()]
    return found[["variable", *axes, "value", "unit"]]


def card(title: str, rows: Iterable[tuple[str, str]], note: str = "", below: str = "") -> str:
    """HTML of a result in a notebook: a title, names with their values, a remark, and what may stand below as it is.

    >>> card("H200", [("memory", "141 GB")])[:35]
    '<div style="max-width:46rem"><stron'
    """
    cells = "".join(
        f'<tr><td style="text-align:left;padding:1px 1.5em 1px 0;opacity:.75;vertical-align:top">{escape(name)}</td>'
        f'<td style="text-align:left;padding:1px 0">{escape(value)}</td></tr>'
        for name, value in rows
    )
    said = f'<div style="opacity:.75">{escape(note)}</div>' if note else ""
    table = f'<table style="border-collapse:collapse;margin:.4em 0">{cells}</table>'
    return f'<div style="max-width:46rem"><strong>{escape(title)}</strong>{table}{said}</div>{below}'
