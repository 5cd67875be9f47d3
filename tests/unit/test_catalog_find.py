"""Finding things in the catalogue: aliases, unknown names, search."""

import pytest

from stackyard.catalog import load
from stackyard.errors import InputErrors, nearest

KNOWN = load()


@pytest.mark.parametrize(
    ("lookup", "name", "id_"),
    [
        (KNOWN.accelerator, "h100", "h100-sxm"),
        (KNOWN.accelerator, "H200", "h200-sxm"),
        (KNOWN.accelerator, "a100", "a100-80g"),
        (KNOWN.accelerator, "b200", "b200-hgx"),
        (KNOWN.accelerator, "gb200", "b200-gb200"),
        (KNOWN.accelerator, "gb300", "b300-gb300"),
        (KNOWN.accelerator, "rubin", "rubin-vr200"),
        (KNOWN.accelerator, "titan", "openai-jalapeno"),
        (KNOWN.model, "Llama-3.3-70B", "llama-3.1-70b"),
        (KNOWN.generation, "HBM4E", "hbm4e"),
        (KNOWN.maker, "SK hynix", "sk-hynix"),
        (KNOWN.system, "vr-nvl72", "vr-nvl72"),
        (KNOWN.climate, "gwangju", "gwangju"),
        (KNOWN.grid, "ercot", "ercot"),
        (KNOWN.site, "abilene", "abilene"),
    ],
)
def test_a_thing_is_found_by_the_names_people_type(lookup, name, id_):
    assert lookup(name).id == id_


def test_an_unknown_name_gets_the_nearest_one():
    for lookup, name, near in (
        (KNOWN.accelerator, "h2000", "h200"),
        (KNOWN.model, "lama-3.1-70b", "llama-3.1-70b"),
        (KNOWN.fact, "hbm.hbm4.dye_area", "hbm.hbm4.die_area"),
    ):
        with pytest.raises(InputErrors) as refused:
            lookup(name)
        assert f"did you mean '{near}'?" in refused.value.faults[0].hint


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("costs.electricity.korea", "costs.electricity.korea-for-planning"),
        ("accelerators.gb300-nvl72.tdp", "accelerators.b300-gb300.tdp"),
        ("hbm3e price", "hbm.hbm3e.price"),
        ("HBM.HBM4.Die-Area", "hbm.hbm4.die_area"),
    ],
)
def test_the_nearest_fact_is_the_one_that_was_meant(word, near):
    assert nearest(word, KNOWN.facts).startswith(f"did you mean '{near}'")


def test_where_nothing_is_close_a_few_names_are_told_and_many_are_not():
    assert nearest("mars", KNOWN.climates).startswith("known: abilene, ")
    assert nearest("§", KNOWN.climates).startswith("known: ")
    assert nearest("xyzzy", KNOWN.facts) == ""
    assert nearest("tpu-v", ("tpu-v5", "tpu-v6", "h100")) == "did you mean 'tpu-v5' or 'tpu-v6'?"


def test_every_entry_is_found_by_its_id_and_every_alias_leads_to_an_entry():
    for axis, entries in KNOWN.axes():
        for id_, entry in entries.items():
            assert entry.id == id_ == id_.lower()
        assert all(target in entries for target in KNOWN.aliases[axis].values())


def test_search_puts_a_named_entry_first_and_needs_all_words():
    found = [fact.path for fact in KNOWN.search("h200")]
    own = [path for path in found if path.startswith("accelerators.h200-sxm.")]
    assert found[: len(own)] == own and len(own) == len(KNOWN.accelerator("h200").facts)
    assert "costs.gpu-rental.h200-specialty" in found
    assert KNOWN.search("H200 tdp")[0].path == "accelerators.h200-sxm.tdp"
    assert KNOWN.search("jalapeno tdp")[0].path == "accelerators.openai-jalapeno.tdp"
    assert KNOWN.search("h200 nonsense") == []
    assert all(fact.path in found for fact in KNOWN.accelerator("h200").facts.values())


def test_titles_of_sources_count_only_where_nothing_else_matches():
    assert not any(fact.path.startswith("accelerators.h100-sxm.") for fact in KNOWN.search("h200"))
    cited = KNOWN.search("aiconfigurator")
    assert cited and all("aiconfigurator" not in fact.path for fact in cited)


def test_an_empty_search_finds_everything_once():
    assert [fact.path for fact in KNOWN.search("")] == list(KNOWN.facts)
