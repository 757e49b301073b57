"""Timing, floors and the benchmark scripts: numbers that are held against a truth."""

import gc
import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from tests.programs import run_here

from swiftrnn import bench
from swiftrnn.bench import timing
from swiftrnn.ops import OPS
from swiftrnn.runs import machine

SVG = "{http://www.w3.org/2000/svg}"
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
needs_kernels = pytest.mark.skipif(
    not OPS[0].has_kernel("cpu"), reason="the C kernels are not built here"
)


def script(name: str, *words: str) -> subprocess.CompletedProcess:
    return run_here(BENCHMARKS / name, *words, folder=BENCHMARKS)


def printed(code: str, folder: Path) -> list[str]:
    """The lines that code prints which may import the benchmarks' modules."""
    done = run_here(code, folder=folder, beside=BENCHMARKS)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def columns(out: Path, *places: int) -> set[tuple[str, ...]]:
    """Some fields of every row of a file of results."""
    lines = [line.split(",") for line in out.read_text().splitlines()[1:]]
    return {tuple(line[i] for i in places) for line in lines}


def test_a_slow_call_is_timed_as_slow():
    times = bench.interleaved({"slow": lambda: time.sleep(0.01), "fast": lambda: None}, repeats=3)
    assert 0.01 <= times["slow"].minimum <= times["slow"].median < 0.1
    assert times["fast"].median < 1e-4
    assert list(times) == ["slow", "fast"]


def test_what_a_call_left_running_is_waited_for_within_its_time():
    timing = bench.interleaved(
        {"launched": lambda: None}, repeats=2, warmup=0, wait=lambda: time.sleep(0.01)
    )["launched"]
    assert timing.minimum >= 0.01


def test_rounds_are_interleaved_and_start_with_another_case():
    order = []
    cases = {name: lambda name=name: order.append(name) for name in "abc"}
    bench.interleaved(cases, repeats=3, warmup=0)
    assert "".join(order) == "abc" + "bca" + "cab"


def test_the_median_is_of_all_rounds_and_the_minimum_the_least():
    waits = iter([0.03, 0.001, 0.01])
    timing = bench.interleaved({"x": lambda: time.sleep(next(waits))}, repeats=3, warmup=0)["x"]
    assert timing.repeats == 3
    assert 0.001 <= timing.minimum < 0.009 < timing.median < 0.029


def test_warm_up_is_not_timed():
    waits = iter([0.2, 0.0, 0.0])
    timing = bench.interleaved({"x": lambda: time.sleep(next(waits))}, repeats=2, warmup=1)["x"]
    assert timing.median < 0.1


def test_the_limit_stops_but_leaves_three_rounds():
    timing = bench.interleaved({"x": lambda: time.sleep(0.02)}, repeats=50, limit_s=0.01)["x"]
    assert timing.repeats == 3


def test_collection_of_garbage_is_on_again_afterwards():
    with pytest.raises(ZeroDivisionError):
        bench.interleaved({"x": lambda: 1 // 0})
    assert gc.isenabled()


@pytest.mark.parametrize(("repeats", "warmup"), [(0, 1), (3, -1)])
def test_interleaved_refuses_to_time_nothing(repeats, warmup):
    with pytest.raises(ValueError, match=f"got repeats {repeats} and warmup {warmup}"):
        bench.interleaved({}, repeats, warmup)


def test_a_copy_moves_its_bytes_twice():
    call, moved = timing.copy_call(4 << 20)
    assert moved == 8 << 20
    assert call().unique().tolist() == [1.0]
    with pytest.raises(ValueError, match="got 0"):
        timing.copy_call(0)


def test_the_machine_is_described():
    facts = machine.machine()
    assert set(facts) == {
        *("cpu", "cores", "memory_gb", "os", "python", "torch", "swiftrnn", "threads", "commit")
    }
    assert facts["torch"] == torch.__version__
    assert facts["cores"] >= 1


def test_a_busy_process_beside_us_is_noticed():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        found = machine.load(sample_s=1.0)
    finally:
        busy.kill()
        busy.wait()
    if found["others"] is None:
        pytest.skip("this system does not tell what other processes take")
    assert found["others"] > 0.2
    assert found["idle"] is False
    assert found["note"].startswith("the machine is busy")


def test_peak_bytes_sees_what_a_call_holds():
    peak = machine.peak_bytes(lambda: torch.ones(16 << 20).sum())
    if peak is None:
        pytest.skip("this system does not tell the peak of a process")
    assert 60e6 < peak < 90e6


@pytest.mark.parametrize("provider", [*bench.OURS, *bench.MORE, *bench.RIVALS])
def test_a_timed_step_gives_the_gradients_of_the_layer(provider):
    calls = bench.layer_calls(provider, B=2, T=5, H=8, dtype=torch.float32)
    assert calls["forward"]().requires_grad is False
    assert calls["forward"]().shape == ((2, 8, 5) if "Conv1d" in provider else (5, 2, 8))
    assert ("stream" in calls) == ("Conv1d" not in provider)
    for call in calls.values():
        call()


@pytest.mark.parametrize("layer", [*bench.OURS, *bench.MORE])
def test_bare_products_are_those_of_the_layer(layer):
    shapes = {
        "SRU": [(48, 16)], "QRNN": [(48, 32)], "MinGRU": [(32, 16)], "MinLSTM": [(48, 16)],
        "RGLRU": [(32, 16)], "HGRN": [(48, 16), (16, 16)],
    }  # fmt: skip
    assert bench.weight_shapes(layer, 16) == shapes[layer]


def test_every_library_gives_the_same_product(monkeypatch):
    monkeypatch.setattr(bench.layers, "BLOCK_BYTES", 256)
    calls = bench.product_calls(rows=12, width=8, N=30, dtype=torch.float32)
    assert list(calls) == ["forward", "input gradient", "weight gradient"]
    for libraries in calls.values():
        exact = libraries["aten"]().clone()
        torch.testing.assert_close(libraries["oneDNN"](), exact)
        torch.testing.assert_close(libraries[bench.OWN](), exact)
        if (blocks := libraries["oneDNN blocks"]()) is not None:  # what they give may be dropped
            torch.testing.assert_close(blocks, exact)


@needs_kernels
def test_compulsory_bytes_count_each_array_once():
    linear_scan, gated_scan, sru = (
        next(op for op in OPS if op.name == name) for name in ("linear_scan", "gated_scan", "sru")
    )
    T, B, H = 5, 2, 7
    big, small = 4 * T * B * H, 4 * B * H
    calls = bench.kernel_calls(linear_scan, B, T, H)
    assert calls["forward"][1] == 3 * big + 2 * small  # decay, input, output; first, last state
    # not `input`: backward gets it and does not read it
    assert calls["backward"][1] == 5 * big + 3 * small
    calls = bench.kernel_calls(gated_scan, B, T, H)
    assert calls["forward"][1] == 3 * big + 2 * small + 4 * 2 * H  # two gates, output; bias
    # gates, states, gradient in; gradients of gates out
    assert calls["backward"][1] == 6 * big + 3 * small + 2 * (4 * 2 * H)
    calls = bench.kernel_calls(sru, B, T, H)
    assert calls["forward kept"][1] - calls["forward"][1] == big  # the states
    # gates, skip, states, gradient in; gradients of gates and skip out; weight_c, bias: two each
    assert calls["backward"][1] == 10 * big + 3 * small + 4 * (4 * 2 * H)


@needs_kernels
def test_a_wrong_kernel_is_never_timed(monkeypatch):
    op = OPS[0]
    backward = op.raw["backward"]
    bench.check_parity(op)
    monkeypatch.setitem(op.raw, "backward", lambda *a: tuple(g * 1.01 for g in backward(*a)))
    with pytest.raises(RuntimeError, match="linear_scan needs kernels that agree"):
        bench.check_parity(op)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"op": "lstm"},
            "needs one of linear_scan, .*, HGRN; got 'lstm'",
        ),
        ({"hidden": 0}, "got hidden 0, batch 32 and time 256"),
        ({"seconds": 0}, "needs --seconds above 0; got 0"),
    ],
)
def test_bench_refuses_what_it_cannot_time(given, said):
    with pytest.raises(ValueError, match=said):
        bench.main(**given)


def test_without_kernels_nothing_is_called_a_kernel(capsys, monkeypatch):
    monkeypatch.setattr(type(OPS[0]), "has_kernel", lambda *_: False)
    bench.main("sru", hidden=8, batch=2, time=4)
    printed = capsys.readouterr().out
    assert "no kernel of sru runs here" in printed
    assert "GB/s" not in printed
    with pytest.raises(RuntimeError, match="sru needs its C kernels"):
        bench.check_parity(OPS[-1])


@needs_kernels
def test_bench_prints_the_tables(capsys):
    bench.main("SRU", hidden=8, batch=2, time=4)
    printed = capsys.readouterr().out
    assert "step / its products" in printed
    start = printed.splitlines().index("Layers: B 2, T 4, H 8, float32") + 4
    assert [line.split()[0] for line in printed.splitlines()[start : start + 5]] == [
        "SRU",
        *["nn.LSTM"],
        "nn.GRU",
        "nn.Conv1d",
        "nn.Conv1d",
    ]


@pytest.fixture(scope="module", params=["SRU", "sru", None])
def reported(request, tmp_path_factory):
    """A run folder of `swiftrnn bench --out`, for a layer, a kernel and all of them."""
    out = tmp_path_factory.mktemp("bench") / "run"
    bench.main(request.param, hidden=16, batch=4, time=8, seconds=0.1, out=out)
    return out


@needs_kernels
def test_no_plot_of_the_report_is_empty_and_every_axis_has_a_label(reported):
    html = (reported / "report.html").read_text(encoding="utf-8")
    found = json.loads((reported / "metrics.json").read_text())
    plots = re.findall(r"<svg role.*?</svg>", html, flags=re.S)[::2]  # each is there twice
    labels = ["T, time steps", "B, batch (sequences)", "H, width (channels)"]
    labels = [(x, "time steps × batch, per second") for x in labels]
    labels.append(("operations per byte (FLOP/B)", "speed reached (GFLOP/s)"))
    assert len(plots) == len(labels)
    for svg, axes in zip(plots, labels, strict=True):
        root = ElementTree.fromstring(svg)
        shown = {"".join(t.itertext()).strip() for t in root.iter(f"{SVG}text")}
        assert set(axes) < shown
    for axis, svg in zip("TBH", plots, strict=False):
        cells = found["sweeps"][axis]
        subjects = cells[0]["seconds"]
        assert len(cells) >= 2
        assert len({cell[axis] for cell in cells}) == len(cells)
        marks = svg.count("<use ")
        assert marks >= len(cells) * len(subjects)  # and those of ticks and legend
        assert all(name in svg for name in subjects)
    assert all(point["operations_per_s"] > 0 for point in found["roofline"])
    assert plots[3].count("<use ") >= len(found["roofline"]) > 0


def test_sweeps_share_a_middle_and_change_one_size_each():
    sweeps = bench.measure.around((32, 256, 512))
    middle = (16, 128, 256)
    for place, axis in enumerate("BTH"):
        assert middle in sweeps[axis]
        for cell in sweeps[axis]:
            assert [i for i in range(3) if cell[i] != middle[i]] in ([], [place])
    assert [cell[1] for cell in sweeps["T"]] == [16, 32, 64, 128, 256, 512, 1024, 2048]
    assert bench.measure.around((1, 1, 1))["H"] == [(1, 1, 1), (1, 1, 2), (1, 1, 4)]


def test_sizes_that_the_time_is_too_short_for_are_left_out(monkeypatch):
    monkeypatch.setattr(gc, "collect", lambda: None)  # a round shall take what its calls take
    sweeps = {"T": [(1, 2**i, 1) for i in range(20)]}
    work = {"x": lambda B, T, H: bench.Work(lambda: time.sleep(1e-5 * T), 1, 1.0)}
    clock = bench.measure.Clock(1.0)
    found = bench.measure.swept(work, sweeps, clock, until_s=1.0)
    assert clock.spent() < 4
    assert bench.measure.ALWAYS <= len(found["sweeps"]["T"]) == 20 - found["left_out"] < 20


def test_operations_are_those_of_a_step_of_the_reference():
    counted = {op.name: bench.operations(op) for op in OPS}
    assert counted["linear_scan"] == 2  # decay * state + input
    # two gates sigmoid(f + w * c + b), state, output, and the scale of the skip
    assert counted["sru"] == 2 * 4 + 3 + 3 + 1


@pytest.mark.parametrize(("provider", "rows"), [("SRU", 3), ("nn.LSTM", 8), ("nn.Conv1d k2", 2)])
def test_a_step_costs_three_products_and_each_array_once(provider, rows):
    T, B, H = 5, 3, 8
    work = bench.step_work(provider, B, T, H)
    weights = rows * H * H
    assert work.operations == 3 * 2 * T * B * weights
    assert work.bytes == 4 * (5 * T * B * H + 3 * weights)


def test_a_report_without_its_extra_is_refused_before_anything_is_timed(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"bench --out needs the extra report.*\[report\]"
    ):
        bench.main("SRU", out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


@needs_kernels
def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ValueError, match=r"holds something; choose another --out$"):
        bench.main("SRU", out=tmp_path)


@needs_kernels
def test_grids_append_rows_and_go_on_where_they_stopped(tmp_path):
    out = tmp_path / "machine.csv"
    first = script("layers.py", "--quick", "--out", str(out))
    assert first.returncode == 0, first.stderr
    rows = out.read_text().splitlines()
    assert {line.split(",")[11] for line in rows[1:]} >= {"forward", "step", "stream"}
    again = script("layers.py", "--quick", "--out", str(out))
    assert "measured before at this commit" in again.stdout
    assert out.read_text().splitlines() == rows
    kernels = script("ops.py", "--quick", "--out", str(out))
    assert kernels.returncode == 0, kernels.stderr
    assert out.read_text().splitlines()[: len(rows)] == rows
    assert {line.split(",")[10] for line in out.read_text().splitlines()[len(rows) :]} >= {"sru"}


@needs_kernels
def test_the_grid_of_stacks_goes_on_where_it_stopped(tmp_path):
    out = tmp_path / "machine.csv"
    first = script("grid.py", "--quick", "--out", str(out))
    assert first.returncode == 0, first.stderr
    assert columns(out, 9, -2, -1) == {("stack", "1", "1"), ("stack", "2", "2")}
    assert columns(out, 10) >= {("SRU",), ("MinLSTM",), ("nn.LSTM",), ("nn.Conv1d k2",)}
    again = script("grid.py", "--quick", "--out", str(out))
    assert again.stdout.count("measured before at this commit") == 2


@needs_kernels
def test_parallel_over_time_is_timed_beside_serial(tmp_path):
    out = tmp_path / "machine.csv"
    done = script("parallel.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    names = ("sru serial", "sru newton", "scan serial", "scan chunked")
    assert columns(out, 9, 10) == {("parallel", name) for name in names}


def test_random_fields_are_timed(tmp_path):
    out = tmp_path / "machine.csv"
    done = script("random_fields.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert columns(out, 9, 10, 11) >= {("crf", "nn.CRF", "step"), ("crf", "nn.CRF", "decode")}


def test_the_tagger_is_timed_with_each_layer(tmp_path):
    out = tmp_path / "machine.csv"
    done = script("epochs.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert columns(out, 9, 10) >= {("tagger", "SRU"), ("tagger", "nn.LSTM packed")}


def test_the_tagger_is_measured_and_goes_on(tmp_path):
    words = ("--quick", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "x.json"))
    for _ in range(2):
        done = script("tagging.py", *words)
        assert done.returncode == 0, done.stderr
    assert "1 of 1 rows" in done.stdout


def test_lengths_are_timed_beside_equal_ones(tmp_path):
    out = tmp_path / "machine.csv"
    done = script("lengths.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    names = ("SRU", "QRNN", "MinGRU", "nn.LSTM", "nn.GRU")
    assert columns(out, 10, 11) == {(name, mode) for name in names for mode in ("equal", "lengths")}


def test_means_are_geometric_and_slower_cells_are_named(tmp_path):
    code = """
import grid, rows
def row(provider, mode, cell, median):
    B, T, H, layers, directions = cell
    return rows.Row(date="2026-01-31 12:00", commit="abc", swiftrnn="0", torch="2", python="3",
                    cpu="X", cores=2, threads=2, others=0.0, subject="stack", provider=provider,
                    mode=mode, B=B, T=T, H=H, dtype="float32", median_s=median, min_s=0.0,
                    repeats=5, bytes=0, layers=layers, directions=directions)
first, last = grid.CELLS[0], grid.CELLS[-1]
times = {"nn.LSTM": (1.0, 1.0), "SRU": (0.125, 0.5), "MinGRU": (1.04, 1.06)}
found = [row(p, m, c, t) for p, pair in times.items() for m in grid.MODES
         for c, t in zip((first, last), pair)]
print(grid.means(rows.Results(found)))
"""
    said = "\n".join(printed(code, tmp_path))
    assert "| SRU | 4.00 | ≥ 2.5 | yes | 4.00 | 0 of 2 | 0 of 2 |" in said
    assert "| MinGRU | 0.95 | ≥ 3.0 | **no** |" in said
    assert "MinGRU step: 32/64/256/4/2 0.94;" in said


def test_tables_come_from_the_rows_and_losing_cells_stay(tmp_path):
    code = """
from pathlib import Path
import report, rows
common = dict(date="2026-01-31 12:00", commit="abc", swiftrnn="0", torch="2", python="3", cpu="X",
              cores=2, threads=2, subject="layer", dtype="float32", min_s=0.0, repeats=5, bytes=0)
def row(provider, mode, median, others=0.0, **more):
    return rows.Row(**{**common, **dict(provider=provider, mode=mode, median_s=median, B=32, T=256,
                                         H=512, others=others), **more})
found = [row("nn.LSTM", "step", 9.0), row("nn.LSTM", "step", 0.6), row("SRU", "step", 0.8, 1.5),
         row("SRU slow", "forward", 0.5, subject="product"),
         row("SRU fast", "forward", 0.2, subject="product"),
         row("SRU fast", "input gradient", 0.1, subject="product"),
         row("SRU fast", "weight gradient", 0.1, subject="product")]
rows.append(Path("x.csv"), found[:3]); rows.append(Path("x.csv"), found[3:])
assert rows.read(Path("x.csv")) == found
print(report.render("headline", Path(".")))
print(report.render("targets", Path(".")))
print(report.fill("a <!-- generated: grid -->outdated<!-- end --> b", Path(".")))
"""
    lines = printed(code, tmp_path)
    # 0.8 s against 0.6 s of the newer row of LSTM, and against 0.2 + 0.1 + 0.1 s of products
    assert "| SRU | – | 800.0 | 0.75 | – | 2.00 | – | – |" in lines
    assert "| SRU: nn.LSTM's step / step | ≥ 2.50 | 0.75 | **no** |" in lines
    assert "| SRU: step / its three bare products | ≤ 1.10 | 2.00 | **no** |" in lines
    assert any("busy" in line and "1.50 cores" in line for line in lines)
    assert any(line.startswith("| 512 | 32 | 256 | 600.00 | 0.75 |") for line in lines)
    assert not any("outdated" in line for line in lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_gpu_benchmark_says_that_it_needs_one():
    done = script("gpu.py", "--quick")
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks/gpu.py needs an NVIDIA GPU; got none")
    assert done.stderr.count("\n") == 1


def test_a_gpu_is_held_against_what_was_asked(tmp_path):
    code = """
from dataclasses import replace
from pathlib import Path
import gpu, rows
key = ("layer", "SRU", "step")
(made,) = rows.make({key: rows.NOT_TIMED}, {}, (32, 128, 512, "float32"), 0.0)
made = replace(made, cpu="A GPU")
large = dict(B=128, T=512, H=1024, subject="kernel", provider="sru", bytes=1000)
rows.append(Path("gpu/a.csv"), [
    replace(made, median_s=0.25),
    replace(made, provider="nn.LSTM", median_s=3.0),
    replace(made, provider="HGRN", median_s=4.0),
    replace(made, provider="nn.Conv1d k2", median_s=0.125),
    replace(made, mode="copy", median_s=1.0, **large),
    replace(made, mode="forward", median_s=2.0, **large),
])
print(gpu.asked(Path(".")))
print(gpu.everything(Path(".")))
print(rows.caption([replace(made, others=float("nan"))]))
"""
    lines = printed(code, tmp_path)
    assert lines[-1].endswith("; other processes were not looked at.")
    assert "| SRU: cuDNN LSTM's step / step | float32 | ≥ 10.00 | 12.00 | yes |" in lines
    assert "| SRU: nn.Conv1d kernel 2's step / step | float32 | ≥ 1.00 | 0.50 | **no** |" in lines
    assert any("rate / copy" in line and "| 0.50 | **no** |" in line for line in lines)
    assert any("HGRN at (32, 128, 512)" in line and "| 1.00 | **no**" in line for line in lines)
    assert any(line.startswith("| float32 | 32 | 128 | 512 | 3000.000 | 12.00 |") for line in lines)
    assert "| sru forward | float32 | 128 | 512 | 1024 | 2000.000 | 0 | 50% |" in lines
