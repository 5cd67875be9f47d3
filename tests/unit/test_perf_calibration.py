"""The door of published measurements: what becomes a row, what is left out, and what is refused."""

import csv
import json
import runpy
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import yaml

from stackyard import api, catalog, cli
from stackyard.errors import InputErrors
from stackyard.perf import constants
from stackyard.perf.calibration import door
from stackyard.perf.calibration.predict import groups, predict
from stackyard.perf.calibration.recipes import wait
from stackyard.perf.calibration.rows import COLUMNS, Row, left_out, published, rows, write
from stackyard.perf.calibration.table import REPRINTED, once
from stackyard.perf.calibration.validate import compare
from stackyard.perf.calibration.ways import Way, ways
from stackyard.perf.interval import factors, joined
from stackyard.perf.layout import Layout

KNOWN = catalog.load()
CELLS = dict.fromkeys(door.PUBLISHED, "") | {
    "source_id": "mine#1",
    "date_or_version": "2026-03-01",
    "framework": "vLLM 0.19.0",
    "model": "Llama 3.3 70B",
    "precision_weights": "fp8",
    "accelerator": "H200 SXM 141GB",
    "n_accelerators": "4",
    "tp": "4",
    "pp": "1",
    "batch_or_concurrency": "16",
    "input_len": "1000",
    "output_len": "500",
    "scenario": "closed_loop_concurrency",
    "metric": "tpot_ms_mean",
    "value": "12.5",
}


def test_a_published_row_becomes_ours_in_si():
    row = door.translated(CELLS)
    assert (row.model, row.chip, row.weights, row.cache) == ("llama-3.1-70b", "h200-sxm", "fp8", "fp8")
    assert (row.tensor, row.batch, row.prompt, row.output) == (4, 16, 1000, 500)
    assert (row.regime, row.metric, row.value) == ("concurrency", "tpot", 0.0125)


def test_inferencex_lengths_are_maxima():
    row = door.translated(CELLS | {"source_id": "ix_aic#7"})
    assert (row.prompt, row.output, row.requests) == (900, 450, 160)


def test_rates_of_a_group_are_divided_by_its_accelerators():
    offline = {"scenario": "offline_max_load", "batch_or_concurrency": "max", "metric": "output_tok_s_total"}
    row = door.translated(CELLS | offline | {"value": "8000"})
    assert (row.metric, row.value, row.batch) == ("output_rate", 2000, 0)


def test_attention_data_parallel_lays_out_data_and_experts():
    spread = {"model": "DeepSeek R1", "tp": "", "ep": "4", "notes": "DEP4 = attention data-parallel x4"}
    row = door.translated(CELLS | spread)
    assert (row.tensor, row.data, row.expert) == (1, 4, 4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "Gopher-280B"}, "model not in the catalogue"),
        ({"accelerator": "H100 SXM 64GB"}, "accelerator not in the catalogue"),
        ({"scenario": "single_layer"}, "scenario not modelled"),
        ({"metric": "prefill_mfu"}, "metric not modelled"),
        ({"metric": "ttft_ms_p99"}, "percentile"),
        ({"precision_weights": ""}, "precision not known"),
        ({"input_len": ""}, "lengths not stated"),
        ({"batch_or_concurrency": "qps=2"}, "batch or concurrency not stated"),
    ],
)
def test_what_the_model_cannot_express_has_a_reason(changes, reason):
    with pytest.raises(door.Inexpressible, match=reason):
        door.translated(CELLS | changes)


def test_a_table_of_ours_reads_back_what_was_written(tmp_path):
    some = rows()[::500]
    write(tmp_path / "mine.csv", some)
    assert door.read(tmp_path / "mine.csv").rows == some


def test_a_users_table_gets_one_prediction_a_line(tmp_path):
    path, target = tmp_path / "mine.csv", tmp_path / "mine-predicted.csv"
    lines = [CELLS, CELLS | {"scenario": "single_layer"}, CELLS | {"metric": "ttft_ms_mean", "value": "200"}]
    found = api.validate(written(path, *lines), predict=target)
    assert [line.rows for line in found.lines("metric")] == [1, 1]
    assert found.left_out == (("mine", "scenario not modelled: single_layer", 1),)
    with target.open(newline="") as stream:
        told = list(csv.DictReader(stream))
    assert [bool(line["predicted"]) for line in told] == [True, False, True]
    assert float(told[0]["low"]) < float(told[0]["predicted"]) < float(told[0]["high"])
    assert 5 < float(told[0]["predicted"]) < 30  # in the line's own unit, ms
    assert told[1]["reason"] == "scenario not modelled: single_layer"
    assert told[0]["engine"] == "vllm-2026"


@pytest.mark.parametrize("header", ["model,value\nx,1\n", "metric,value\ntpot,1\n"])
def test_a_table_without_the_columns_is_refused(tmp_path, header):
    path = tmp_path / "bad.csv"
    path.write_text(header)
    with pytest.raises(InputErrors, match="column is missing"):
        api.validate(path)


def written(path, *lines):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, door.PUBLISHED)
        writer.writeheader()
        writer.writerows(lines)
    return path


@pytest.mark.parametrize(
    "changes",
    [{"value": "nan"}, {"value": "-3"}, {"value": "x"}, {"input_len": "0"}, {"tp": "0"}, {"output_len": "inf"}],
)
def test_numbers_that_cannot_be_are_refused_with_their_line(tmp_path, changes):
    with pytest.raises(InputErrors, match=r"mine.csv:3"):
        door.read(written(tmp_path / "mine.csv", CELLS, CELLS | changes))


def test_a_table_of_which_nothing_can_be_expressed_is_told_as_such(tmp_path):
    found = api.validate(written(tmp_path / "mine.csv", CELLS | {"scenario": "single_layer"}))
    assert [line.rows for line in found.targets()] == [0, 0, 0, 0]
    assert found.lines("source") == []
    assert sum(count for *_, count in found.left_out) == 1


def test_every_row_names_what_the_catalogue_has_and_every_omission_is_counted():
    for row in rows():
        assert row.model in KNOWN.models
        assert row.chip in KNOWN.accelerators
        assert row.value > 0
    assert set(COLUMNS) == set(vars(rows()[0]))
    assert sum(count for *_, count in left_out()) > 10_000
    assert all(reason and count > 0 for _, reason, count in left_out())


def test_every_row_of_the_published_tables_is_compared_or_counted_under_a_reason():
    went = {line.source: line.rows for line in api.validate().account()}
    was: Counter[str] = Counter()
    for _, source, count in published():
        was[source] += count
    assert went == {**was, "all": sum(was.values())}


@pytest.mark.parametrize(
    ("framework", "date", "chip", "engine"),
    [
        ("TensorRT-LLM (PyTorch)", "TensorRT-LLM v0.20.0 (2025-06)", "h200", "trtllm-2025-05"),
        ("TensorRT-LLM", "2025-10-29", "b200", "trtllm-2025-09"),
        ("vLLM (ROCm)", "2025-01-24; ROCm 6.3.1, vLLM 0.6.6", "mi300x", "vllm-rocm-2025-01"),
        ("SGLang 0.5.9", "2026-02-01", "h200", "sglang-2026"),
        ("something new", "2027-01-01", "h200", "software@2027-01"),
        ("something new", "", "h200", "software"),
        ("", "2024-09", "h100", "software@2024-09"),
        ("vLLM 0.24.0", "2026-11-03", "b200", "vllm-2026@2026-11"),  # half a year after its last measured run
        ("vLLM 0.20.0", "2026-06-03", "b200", "vllm-2026"),
        ("vLLM 0.19.0", "2026-11-03", "b200", "vllm-2026"),  # an old version, run late
        ("dynamo-trt", "2026-03-20", "b200", "trtllm-2026"),
        ("vLLM 0.6.3", "2024-10-10", "h100", "vllm-2023"),
        ("TensorRT-LLM v0.12", "2024-09-01", "h100", "trtllm-2023@2024-09"),  # between two measured ones
        ("vLLM 0.6.3", "", "h100", "vllm-2023"),
        ("SGLang v0.3", "", "h100", "sglang-2025"),
        ("TensorRT-LLM 0.12", "", "h100", "trtllm-2023"),
        ("TRT-LLM 0.12", "", "h100", "trtllm-2023"),
        ("vLLM 0.9", "", "gaudi3", "vllm-gaudi-2026"),
        ("vLLM 0.9", "", "trainium2", "software"),  # nobody measured it on this vendor's chips
        ("TensorRT-LLM 0.12", "", "mi300x", "software"),
        *((name, "", "h100", "software") for name in ("LMDeploy 0.6.0", "TGI 2.3", "MLC", "DeepSpeed-MII 0.3")),
        *((name, "2025-09", "h100", "software@2025-09") for name in ("MAX 25.3", "Dynamo 0.4", "ATOMIC 1.0")),
    ],
)
def test_an_engine_is_found_by_its_version_or_its_date(framework, date, chip, engine):
    assert constants.engine_of(framework, date, KNOWN.accelerator(chip)).id == engine


@pytest.mark.parametrize("base", ["vllm-2026", "trtllm-2023", "software"])
def test_a_release_nobody_measured_is_the_mean_of_its_framework_carried_to_its_month(base):
    engine, year = constants.engines()[base], constants.means(constants.YEARLY)["overhead.scale"]
    mean = constants.means(constants.SOFTWARE if base == "software" else engine.framework)
    early, late = (constants.engine_named(f"{base}@{month}").values for month in ("2025-07", "2026-07"))
    assert early["overhead.scale"] == pytest.approx(mean["overhead.scale"] * year**-0.5)
    assert late["overhead.scale"] == pytest.approx(early["overhead.scale"] * year)
    assert all(early[name] == late[name] == value for name, value in mean.items() if name != "overhead.scale")
    assert {name: late[name] for name in late.keys() - mean.keys()} == constants.stated("", base)
    far, farther = (constants.engine_named(f"{base}@{month}").values for month in ("2029-01", "2035-01"))
    assert far == farther  # a trend is not carried on for ever
    assert not constants.engine_named(f"{base}@2025-07").measured


def test_no_release_is_made_of_a_month_or_an_engine_that_is_none():
    for name in ("vllm-2026@", "vllm-2026@2026-13", "vllm-2026@soon", "vlm@2026-05"):
        with pytest.raises(ValueError, match="is not an engine I know"):
            constants.engine_named(name)


def test_a_chip_nobody_measured_has_a_relative_and_a_wider_interval():
    seen, unseen = KNOWN.accelerator("b200"), KNOWN.accelerator("rubin")
    assert constants.generation(unseen) == constants.generation(seen)
    told = [compare([replace(rows()[0], chip=chip.id, compute="fp8", weights="fp8")]) for chip in (seen, unseen)]
    widths = [float(np.log(one.high / one.low)[0]) for one in told]
    assert widths[0] <= widths[1]


def test_an_engine_nobody_measured_takes_the_mean_and_a_wider_interval():
    row = rows()[0]
    known, unknown = compare([row]), compare([replace(row, framework="something new")])
    assert np.log(known.high / known.low)[0] <= np.log(unknown.high / unknown.low)[0]
    assert constants.engines()[constants.SOFTWARE].values == constants.means(constants.SOFTWARE)


@pytest.mark.parametrize("metric", ["output_rate", "tpot", "ttft"])
@pytest.mark.parametrize("scenario", ["", "speculative", "disaggregated"])
def test_what_is_new_at_once_is_at_least_as_unsure_as_each_alone(metric, scenario):
    seen, sibling, stranger = (KNOWN.accelerator(name) for name in ("h200", "h20", "rubin"))
    plain = factors(seen, metric)
    alone = [factors(seen, metric, engine="software"), factors(sibling, metric), factors(stranger, metric)]
    for chip in (sibling, stranger):
        low, high = factors(chip, metric, scenario, "software")
        each = [plain, factors(seen, metric, scenario), factors(seen, metric, engine="software"), factors(chip, metric)]
        assert all(low <= one[0] and one[1] <= high for one in each)
        both = factors(chip, metric, engine="software")
        assert both[0] < plain[0] and plain[1] < both[1]
    assert all(one[0] <= plain[0] < 1 < plain[1] <= one[1] for one in alone)


def test_independent_surprises_add_their_squares_beyond_what_is_always_off():
    low, high = np.log(joined((0.9, 1 / 0.9), [(0.8, 1 / 0.8), (0.7, 1 / 0.7)]))
    seen, one, other = np.log(0.9) ** 2, np.log(0.8) ** 2, np.log(0.7) ** 2
    assert -low == pytest.approx(high) == pytest.approx((one + other - seen) ** 0.5)
    assert joined((0.9, 1.1), []) == pytest.approx((0.9, 1.1))
    assert joined((0.9, 1.1), [(0.95, 1.05)]) == pytest.approx((0.9, 1.1))  # never surer than of what was seen


def test_a_run_that_does_not_fill_its_last_wave_is_slower_than_its_steady_load():
    row = next(row for row in rows() if row.regime == "max load" and row.requests)
    (batch,) = (group.batch for group in groups([replace(row, requests=0.0)]))
    even, uneven, endless = (replace(row, requests=float(n * batch[0])) for n in (3, 2.25, 1000.25))
    steady, whole, part, long = predict([replace(row, requests=0.0), even, uneven, endless])
    assert whole == pytest.approx(steady)
    assert steady / 1.5 < part < steady
    assert long == pytest.approx(steady, rel=1e-3)


def test_the_command_that_prints_the_quantiles_of_ways_prints_the_committed_ones(capsys):
    with pytest.raises(SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the module is run besides having been imported
        runpy.run_module("stackyard.perf.calibration.ways", run_name="__main__")
    told = dict(line.rsplit(": ", 1) for line in capsys.readouterr().out.splitlines())
    kept = yaml.safe_load((constants.FOLDER / "ways.yaml").read_text(encoding="utf-8"))["intervals"]
    for scenario, metrics in kept.items():
        for metric, ends in metrics.items():
            name = f"{scenario}: {'token_rate' if metric == 'rate' else metric}"
            if name in told:
                assert json.loads(told[name]) == pytest.approx(ends, abs=1e-3)
    assert "speculative: tpot" in told and "nan" not in "".join(told.values())


def test_a_chip_without_relatives_takes_the_mean_of_all_chips():
    strange = replace(KNOWN.accelerator("h200"), id="strange", vendor="Strange")
    assert constants.generation(strange).values == constants.means(constants.CHIPS)


def test_what_is_printed_twice_counts_once():
    row = replace(rows()[0], source="trtllm_v1.1", excluded="")
    again, other = replace(row, source="trtllm_v1.2pre"), replace(row, source="trtllm_v1.2pre", value=2 * row.value)
    assert [each.excluded for each in once([row, again, other])] == ["", REPRINTED, ""]


def test_the_committed_table_is_marked_and_marking_again_changes_nothing():
    assert tuple(once(rows())) == rows()


def test_medians_leave_the_first_wave_out():
    cells = CELLS | {"source_id": "ix_x#1", "metric": "ttft_ms_mean", "value": "100"}
    mean, median = (door.translated(cells | {"metric": f"ttft_ms_{of}"}) for of in ("mean", "median"))
    assert (mean.requests, median.requests) == (160.0, 0.0)


def test_excluded_rows_count_in_no_figure():
    row = rows()[0]
    some: list[Row] = [replace(row, excluded=""), replace(row, excluded="a stated defect")]
    found = compare(some)
    assert [line.rows for line in found.lines("source")] == [1]
    assert found.excluded() == [(row.source, "a stated defect", 1)]


def test_the_command_line_tells_the_same_as_the_api(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["stackyard", "validate", "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told = json.loads(capsys.readouterr().out)
    assert left.value.code == 0
    found = api.validate()
    assert [line["rows"] for line in told["targets"]] == [line.rows for line in found.targets()]
    assert sum(line["rows"] for line in told["chip"] + told["scenarios"]) == int(found.counts.sum())


@pytest.mark.parametrize(
    ("metric", "value", "ours"),
    [
        ("tpot_ms_median", "12.5", 0.0125),
        ("itl_s", "0.0125", 0.0125),
        ("output_tok_s_per_user", "80", 0.0125),
        ("e2e_latency_ms_mean", "2500", 2.5),
        ("output_tok_s", "4000", 1000),
        ("output_tok_s_per_gpu", "1000", 1000),
        ("total_tok_s", "12000", 3000),
        ("req_s", "8", 1000),
        ("prefill_time_ms", "200", 0.2),
    ],
)
def test_metrics_of_publications_are_ours_and_predictions_go_back_in_their_unit(metric, value, ours):
    cells = CELLS | {"metric": metric, "value": value}
    row = door.translated(cells)
    assert row.value == pytest.approx(ours)
    assert door.in_unit(cells, row.value) == pytest.approx(float(value))


def test_a_line_without_a_value_asks_for_a_prediction(tmp_path):
    target = tmp_path / "out.csv"
    found = api.validate(written(tmp_path / "mine.csv", CELLS, CELLS | {"value": ""}), predict=target)
    assert [line.rows for line in found.lines("metric")] == [1]
    with target.open(newline="") as stream:
        told = list(csv.DictReader(stream))
    assert told[0]["predicted"] == told[1]["predicted"] != ""


def test_an_open_loop_serves_what_is_offered_and_queues_more_the_more_comes(tmp_path):
    lines = [
        CELLS | {"scenario": "online_poisson", "batch_or_concurrency": f"qps={rate}", "metric": metric, "value": "1"}
        for metric in ("ttft_ms_mean", "itl_ms_mean", "req_s")
        for rate in (1, 4, 10_000)
    ]
    target = tmp_path / "out.csv"
    api.validate(written(tmp_path / "mine.csv", *lines), predict=target)
    with target.open(newline="") as stream:
        told = [line["predicted"] and float(line["predicted"]) for line in csv.DictReader(stream)]
    assert told[0] < told[1] and told[2] == ""  # the queue of more than can be served grows without end
    assert told[3] < told[4] < told[5]
    assert told[6:8] == [pytest.approx(1), pytest.approx(4)] and told[8] < 10_000


def test_widths_that_count_cores_become_chips():
    cells = CELLS | {"model": "Llama-2-7b", "accelerator": "Trainium1 (16 chips / 32 NeuronCores)", "tp": "32"}
    row = door.translated(cells | {"n_accelerators": "16", "precision_weights": "bf16"})
    assert (row.chip, row.tensor) == ("trainium1", 16)


def test_the_comparison_is_written_as_a_page_a_table_and_text(tmp_path):
    found = api.validate(written(tmp_path / "mine.csv", CELLS, CELLS | {"scenario": "production"}))
    paths = api.write_validation(found, tmp_path / "out", whole=False)
    assert [path.name for path in paths] == ["accuracy.html", "accuracy.csv", "accuracy.md"]
    page = paths[0].read_text(encoding="utf-8")
    assert "Predicted beside measured" in page and "scenario not modelled: production" in page
    with paths[1].open(newline="", encoding="utf-8-sig") as stream:
        drawn = [line for line in csv.DictReader(stream) if line["table"] == "Time per output token"]
    assert [line["value"] for line in drawn if line["column"] == "Measured"] == ["12.5"]


def test_four_of_five_disaggregated_and_speculative_runs_lie_in_their_interval():
    told = compare(ways())
    for line in (line for line in told.lines("scenario", "metric") if "open loop" not in line.name):
        assert 0.7 <= line.coverage <= 0.95, line


def test_published_rows_of_two_pools_become_rows_with_both_pools(tmp_path):
    cells = dict.fromkeys(door.PUBLISHED, "") | {
        "source_id": "ix_mine#1",
        "date_or_version": "2026-03",
        "framework": "Dynamo+TensorRT-LLM",
        "model": "DeepSeek R1 0528",
        "precision_weights": "fp8",
        "accelerator": "B200 SXM 180GB",
        "n_accelerators": "24",
        "tp": "8",
        "pp": "1",
        "ep": "8",
        "batch_or_concurrency": "64",
        "input_len": "8192",
        "output_len": "1024",
        "scenario": "closed_loop_concurrency_disagg_mtp",
        "metric": "tpot_ms_mean",
        "value": "10",
        "notes": "disaggregated: prefill 1 worker(s) x TP8 EP8 dp_attn=True on 8 GPUs; "
        "decode 2 x TP8 EP8 dp_attn=False on 16 GPUs",
    }
    row = door.translated(cells)
    assert isinstance(row, Way) and row.scenario == "disaggregated, speculative"
    assert (row.prefill_tensor, row.prefill_data, row.tensor, row.expert, row.workers) == (1, 8, 8, 8, 2)
    assert (row.batch, row.draft, row.serving.acceptance) == (64, 3, 0.7)
    with pytest.raises(door.Inexpressible, match="sizes of the two pools"):
        door.translated({**cells, "notes": "disaggregated: prefill x(TP4 DP1 EP4 bs) decode x(TP8 DP1 EP4 bs)"})
    alone = door.translated({**cells, "scenario": "closed_loop_concurrency_mtp", "n_accelerators": "8"})
    assert alone.scenario == "speculative" and alone.prefill_workers == 0


def test_arrivals_wait_as_the_sources_scripts_say():
    cells = CELLS | {
        "source_id": "ix_x#1",
        "framework": "TensorRT-LLM",
        "model": "Llama 3.3 70B",
        "accelerator": "H200",
    }
    cells |= {"input_len": "1024", "output_len": "1024", "date_or_version": "2025-10-29", "tp": "4"}
    few, many = (door.translated(cells | {"batch_or_concurrency": text}) for text in ("4", "128"))
    assert 15 < few.wait < 20  # nearly all of the 20 steps
    assert few.wait > many.wait > 0  # company comes sooner
    assert door.translated(cells | {"output_len": "8192"}).wait == 0
    assert door.translated(cells | {"source_id": "mine#1"}).wait == 0
    first, plain = predict([replace(few, metric="ttft"), replace(few, metric="ttft", wait=0.0)])
    (step,) = predict([replace(few, metric="tpot")])
    assert first - plain == pytest.approx(few.wait * step * (1 - 4 / few.requests))


def test_ranks_that_are_balanced_wait_for_each_other():
    run = ("TensorRT-LLM", "deepseek-r1", "b200-hgx", "fp8")
    waits = [wait(run, "", Layout(1.0, 1.0, 8.0, 8.0), float(batch), 922.0, 922.0) for batch in (8, 64, 1024, 65536)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] > 40 and waits[-1] < 1


def test_what_was_aimed_at_is_told_with_what_the_fit_had_not_seen():
    told = {line.what: line for line in api.aims(api.validate(), api.validate_training())}
    assert len(told) == 5
    for line in told.values():
        assert set(line.left_out) == {"model", "chip", "engine"}
        within = [line.left_out[name] for name in ("model", "chip")]
        assert line.met == all(e.mean <= line.aimed.mean and abs(e.bias) <= line.aimed.bias for e in within)


def test_a_small_table_of_a_user_is_told_row_by_row(tmp_path, capsys, monkeypatch):
    path = written(tmp_path / "mine.csv", CELLS | {"source_id": "mine#7"})
    monkeypatch.setattr("sys.argv", ["stackyard", "validate", str(path)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told = capsys.readouterr().out
    assert not left.value.code
    assert "mine#7" in told and "off by" in told and "What was aimed at" not in told
