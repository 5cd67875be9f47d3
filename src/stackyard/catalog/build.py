"""Checked rows -> frozen entries of SI numbers: converts units, derives facts from facts, resolves references."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from stackyard import quantity
from stackyard.catalog import entries as e
from stackyard.catalog import rows as r
from stackyard.errors import Faults, nearest
from stackyard.files import Located, Path_, dotted
from stackyard.months import Month, parse_month
from stackyard.quantity import UnitError
from stackyard.source import Fact, Grade, Source, weakest

MONTH = float(quantity.MONTH)
IDLE_SHARE = "operation.power.gpu-idle-fraction-gb200"


class Builder:
    """Builds the entries of every axis; `facts` grows by the facts that are derived on the way."""

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, r.Row]],
        facts: Mapping[str, Fact],
        sources: Mapping[str, Source],
        files: Mapping[str, Located],
        faults: Faults,
    ) -> None:
        self.facts: dict[str, Fact] = dict(facts)
        self._rows, self._sources, self._files, self._faults = rows, sources, files, faults
        self._of: dict[str, dict[str, Fact]] = {f"{axis}.{id_}": {} for axis in rows for id_ in rows[axis]}
        for path, fact in facts.items():
            parts = path.split(".")
            for cut in range(len(parts) - 1, 1, -1):
                owner = ".".join(parts[:cut])
                if owner in self._of:
                    self._of[owner][path[len(owner) + 1 :]] = fact
                    break

    def entries(self, axis: str) -> dict[str, Any]:
        """id -> entry of one axis, in the order of its file."""
        make: dict[str, Callable[[str, Any], e.Entry]] = {
            "hbm": self._hbm,
            "makers": self._maker,
            "accelerators": self._accelerator,
            "systems": self._system,
            "models": self._model,
            "climates": self._climate,
            "grids": self._grid,
            "sites": self._site,
            "events": self._event,
        }
        return {id_: make[axis](id_, row) for id_, row in self._rows[axis].items()}

    def aliases(self, axis: str) -> dict[str, str]:
        """Other name -> id; a name may stand for one entry only."""
        found: dict[str, str] = {}
        for id_, row in self._rows[axis].items():
            for alias in getattr(row, "aliases", ()):
                if alias in found or alias in self._rows[axis]:
                    self._fault(axis, (id_, "aliases"), f"'{alias}' is the name of another entry already")
                found[alias] = id_
        return found

    # -- one function per axis ------------------------------------------------------------------------------------

    def _hbm(self, id_: str, row: r.HbmRow) -> e.HbmGeneration:
        die = self._si(row.die_capacity, "B")
        heights = self._heights(row)
        stated = {str(height): height * die for height in heights}
        for height, fact in row.capacity.items():
            if height not in stated:
                self._fault("hbm", (id_, "capacity", height), f"{height} is not among the heights")
            stated[height] = self._si(fact, "B/stack")
        return e.HbmGeneration(
            **self._head("hbm", id_, row),
            standard=row.standard,
            year=row.year,
            pin_speed=self._si(row.pin_speed, "B/s"),
            interface_width=round(self._si(row.interface_width, "B") * 8),
            heights=heights,
            die_capacity=die,
            capacity=MappingProxyType({height: stated[str(height)] for height in heights}),
            bandwidth=self._si(row.bandwidth, "B/s/stack"),
            energy=self._si(row.energy, "J/B"),
            die_area=self._si(row.die_area, "m^2"),
            price=self._si(row.price, "USD/stack"),
        )

    def _maker(self, id_: str, row: r.MakerRow) -> e.HbmMaker:
        wafers = self._by_month("makers", (id_, "wafers_per_month"), row.wafers_per_month, "wafer/s")
        per_month = {month: rate * MONTH for month, rate in wafers.items()}
        return e.HbmMaker(
            **self._head("makers", id_, row),
            wafers_per_month=MappingProxyType(per_month),
            dram_wafers_per_month=self._si(row.dram_wafers_per_month, "wafer/s") * MONTH,
        )

    def _accelerator(self, id_: str, row: r.AcceleratorRow) -> e.Accelerator:
        generation = self._rows["hbm"].get(row.hbm)
        if row.hbm:
            self._known("accelerators", (id_, "hbm"), row.hbm, "hbm")
        if bool(row.hbm) == bool(row.memory_kind) or bool(row.hbm) != bool(row.stacks):
            message = "has neither HBM, with its stacks, nor a memory_kind, or parts of both"
            self._fault("accelerators", (id_,), message, "write hbm, stack_height and stacks; or memory_kind: GDDR6")
        if isinstance(generation, r.HbmRow) and row.stack_height not in self._heights(generation):
            self._fault("accelerators", (id_, "stack_height"), f"{row.hbm} has no {row.stack_height}-high stack")
        if row.system:
            self._known("accelerators", (id_, "system"), row.system, "systems")
        scale_up = self._scale_up(id_, row)
        idle = row.idle or self._idle(id_, row)
        return e.Accelerator(
            **self._head("accelerators", id_, row, idle, scale_up),
            vendor=row.vendor,
            launch=row.launch,
            flops=MappingProxyType({name: self._si(fact, "FLOPS") for name, fact in row.flops.items()}),
            memory_kind=row.memory_kind or (generation.name if isinstance(generation, r.HbmRow) else ""),
            hbm=row.hbm,
            stacks=self._si(row.stacks, "stack") if row.stacks else 0.0,
            stack_height=row.stack_height,
            memory=self._si(row.memory, "B"),
            bandwidth=self._si(row.bandwidth, "B/s"),
            tdp=self._si(row.tdp, "W"),
            idle=self._si(idle, "W"),
            scale_up=self._si(scale_up, "B/s"),
            scale_up_domain=int(self._si(row.scale_up_domain, "package")) if row.scale_up_domain else 1,
            scale_up_fabric=row.scale_up_fabric,
            scale_out=self._si(row.scale_out, "B/s"),
            price=self._si(row.price, "USD"),
            system=row.system,
            released=row.released,
        )

    def _system(self, id_: str, row: r.SystemRow) -> e.System:
        return e.System(
            **self._head("systems", id_, row),
            accelerators=row.accelerators,
            max_power=self._si(row.max_power, "W"),
            cooling=row.cooling,
        )

    def _model(self, id_: str, row: r.ModelRow) -> e.Model:
        return e.Model(
            **self._head("models", id_, row, *self._shape(id_, row)),
            family=row.family,
            layers=row.layers,
            hidden=row.hidden,
            attention=e.Attention(**row.attention.model_dump()),
            feed_forward=row.feed_forward,
            experts=e.Experts(**row.experts.model_dump()) if row.experts else None,
            vocabulary=row.vocabulary,
            tied_embeddings=row.tied_embeddings,
            max_context=row.max_context,
            parameters_published=self._si(row.parameters_published, ""),
            active_published=self._si(row.active_published, ""),
            extra=_frozen(row.extra),
        )

    def _climate(self, id_: str, row: r.ClimateRow) -> e.Climate:
        return e.Climate(
            **self._head("climates", id_, row),
            dry_bulb=self._monthly(row.dry_bulb),
            wet_bulb=self._monthly(row.wet_bulb) if row.wet_bulb else (),
        )

    def _grid(self, id_: str, row: r.GridRow) -> e.Grid:
        return e.Grid(**self._head("grids", id_, row), carbon=self._si(row.carbon, "kgCO2e/J"))

    def _site(self, id_: str, row: r.SiteRow) -> e.Site:
        self._known("sites", (id_, "climate"), row.climate, "climates")
        self._known("sites", (id_, "grid"), row.grid, "grids")
        power = self._by_month("sites", (id_, "power"), row.power, "W")
        return e.Site(
            **self._head("sites", id_, row),
            place=row.place,
            climate=row.climate,
            grid=row.grid,
            phases=tuple(e.Phase(month, watts) for month, watts in sorted(power.items())),
        )

    def _event(self, id_: str, row: r.EventRow) -> e.Event:
        return e.Event(
            id=id_,
            name=row.name,
            facts=MappingProxyType({}),
            date=row.date,
            place=row.place,
            parties=tuple(row.parties),
            agenda=tuple(row.agenda),
            outcome=tuple(row.outcome),
            participants=tuple(row.participants),
            sources=tuple(self._sources[id_] for id_ in row.src if id_ in self._sources),
            stated=Grade.named(row.grade),
            related=row.related,
            end=row.end,
            note=row.note,
        )

    # -- facts that follow from other facts -----------------------------------------------------------------------

    def _idle(self, id_: str, row: r.AcceleratorRow) -> Fact | None:
        """Where no idle power is stated: the GB200's share of TDP, graded estimated at best."""
        share = self.facts.get(IDLE_SHARE)
        if share is None or not isinstance(share.value, float | int):
            return None
        note = f"{share.value:.1%} of TDP, the idle share of the GB200; no figure of its own"
        scaled = _scaled(row.tdp, f"accelerators.{id_}.idle", share.value, note)
        sources = tuple(dict.fromkeys((*row.tdp.sources, *share.sources)))
        return replace(scaled, grade=weakest((Grade.ESTIMATED, row.tdp.grade, share.grade)), sources=sources)

    def _scale_up(self, id_: str, row: r.AcceleratorRow) -> Fact | None:
        both = row.scale_up_both_directions
        note = "half of the printed sum of both directions"
        return _scaled(both, f"accelerators.{id_}.scale_up", 0.5, note) if both else None

    def _shape(self, id_: str, row: r.ModelRow) -> list[Fact]:
        """A model's configuration values as facts: they share the sources and the grade of the row."""
        numbers: dict[str, Any] = {name: getattr(row, name) for name in _SHAPE}
        numbers |= {f"attention.{name}": value for name, value in row.attention.model_dump().items()}
        numbers |= {
            f"experts.{name}": value for name, value in (row.experts.model_dump() if row.experts else {}).items()
        }
        sources = tuple(self._sources[source] for source in row.src if source in self._sources)
        grade = Grade.named(row.grade)
        return [
            Fact(f"models.{id_}.{name}", float(value), "", grade, sources)
            for name, value in numbers.items()
            if value and not isinstance(value, bool)
        ]

    # -- the small print ------------------------------------------------------------------------------------------

    def _head(self, axis: str, id_: str, row: r.EntryRow, *derived: Fact | None) -> dict[str, Any]:
        """What every entry has; derived facts join its facts and the catalogue's."""
        name = f"{axis}.{id_}"
        facts = dict(self._of[name])
        for fact in derived:
            if fact is not None:
                facts[fact.path[len(name) + 1 :]] = self.facts[fact.path] = fact
        return {"id": id_, "name": row.name, "facts": MappingProxyType(facts)}

    def _si(self, fact: Fact | None, like: str) -> float:
        """SI value of a fact that must measure the same as `like`; nan where there is none or it is not known."""
        if fact is None:
            return math.nan
        try:
            if fact.dimension != quantity.dimension(like):
                self._at(fact, f"is in '{fact.unit}'", f"expected a unit like '{like}'" if like else "expected no unit")
                return math.nan
            return fact.si
        except UnitError as error:
            self._at(fact, str(error), f"expected a unit like '{like}'")
        except TypeError:
            self._at(fact, "is a series", "expected one number")
        return math.nan

    def _heights(self, row: r.HbmRow) -> tuple[int, ...]:
        if row.heights.unit != "die" or not isinstance(row.heights.value, tuple):
            self._at(row.heights, "is not a list of heights in dies", "write value: [8, 12] and unit: die")
            return ()
        return tuple(round(height) for height in row.heights.value)

    def _monthly(self, fact: Fact) -> tuple[float, ...]:
        values = fact.value if isinstance(fact.value, tuple) else ()
        if len(values) != 12 or fact.unit != "degC":
            self._at(fact, "is not twelve temperatures in degC", "January to December")
        return values

    def _by_month(self, axis: str, path: Path_, facts: Mapping[str, Fact], like: str) -> dict[Month, float]:
        found: dict[Month, float] = {}
        for text, fact in facts.items():
            try:
                found[parse_month(text)] = self._si(fact, like)
            except ValueError as error:
                self._fault(axis, (*path, text), str(error))
        return found

    def _known(self, axis: str, path: Path_, id_: str, other: str) -> None:
        if other in self._files and id_ not in self._files[other].data:  # a faulty entry counts as known
            self._fault(axis, path, f"no entry '{id_}' in {other}", nearest(id_, self._rows[other]))

    def _fault(self, axis: str, path: Path_, message: str, hint: str = "") -> None:
        located = self._files[axis]
        self._faults.add(located.file, located.line(path), dotted(path), message, hint)

    def _at(self, fact: Fact, message: str, hint: str) -> None:
        file, _, line = fact.place.rpartition(":")
        self._faults.add(file, int(line), fact.path.partition(".")[2], message, hint)


_SHAPE = ("layers", "hidden", "feed_forward", "vocabulary", "max_context")


def _scaled(fact: Fact, path: str, factor: float, note: str) -> Fact:
    """A fact that is a constant times another one, range included; it keeps the other's unit, grade, date, sources."""

    def times(value: float | None) -> float | None:
        return None if value is None else factor * value

    value = None if isinstance(fact.value, tuple) else times(fact.value)
    return replace(fact, path=path, value=value, low=times(fact.low), high=times(fact.high), note=note)


def _frozen(value: Any) -> Any:
    """The same plain data with no mapping or list that could be changed."""
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(child) for key, child in value.items()})
    return tuple(_frozen(child) for child in value) if isinstance(value, list) else value
