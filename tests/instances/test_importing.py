"""Imports of CSV files: round trips, and every kind of mistake told by file, line and column."""

import dataclasses
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.cli import cli
from splitopt.instances.cift.importing import (
    BLOCK_COLUMNS,
    cift_from_csv,
    profile_from_csv,
    read_profile,
)
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.core.csv_columns import Columns, read_columns
from splitopt.instances.core.csv_tables import read_table
from splitopt.instances.core.errors import InputError, InputErrors
from splitopt.instances.mepra.importing import mepra_from_csv
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.networks.profiles import Profile

DATA = Path(__file__).parents[1] / "data" / "csv"
BAD = DATA / "bad"


@pytest.fixture(scope="module")
def profile():
    return profile_from_csv(DATA / "blocks.csv", "my-net", 1204224, head_blocks=1)


def cift(profile, nodes="nodes.csv", links="links.csv", **more):
    given = {"requests": 10} | more
    return cift_from_csv("lab", [profile], DATA / nodes, DATA / links, **given)


def mepra(profile, devices="devices.csv", **more):
    given = {"edge_capacity_flop_per_s": 1e12, "bandwidth_bit_per_s": 1e7} | more
    return mepra_from_csv("ward", [profile], DATA / devices, **given)


def test_an_instance_keeps_how_its_profiles_were_made(profile):
    """By it a rehearsal knows the model file; it changes no hash."""
    made = dataclasses.replace(profile, origin={"onnx_sha256": "ab", "measured_seconds": 0.5})
    assert Profile.from_document(made.to_document()) == made
    instance = cift(made)
    assert instance.origin == {
        "imported": True,
        "my-net.onnx_sha256": "ab",
        "my-net.measured_seconds": 0.5,
    }
    assert CiftInstance.from_document(instance.to_document()) == instance
    assert instance.content_hash == cift(profile).content_hash


PROFILER = """\
Layer;Out [KiB];Params;Latency (ms);Note
stem;1.024,5;1 234;12,5;"a; b"
body;0,5;1'000'000;1.250;
"""
NAMES = (
    "name=Layer",
    "activation_bytes=Out [KiB]*1024",
    "param_bytes=Params*4",
    'time_s="Latency (ms)"*1e-3',
)


def test_a_profilers_own_columns_units_and_commas(tmp_path):
    path = tmp_path / "profiler.csv"
    path.write_text(PROFILER)
    made = profile_from_csv(
        path,
        "net",
        8,
        measured_on="board",
        measured_speed_flop_per_s=1e9,
        columns=read_columns(NAMES, BLOCK_COLUMNS, "comma"),
    )
    assert [block.name for block in made.blocks] == ["stem", "body"]
    # 12,5 ms and 1.250 ms, a dot being no decimal here, at 1 GFLOP/s.
    assert [block.flops for block in made.blocks] == [12.5e6, 1250e6]
    assert [block.param_bytes for block in made.blocks] == [4 * 1234, 4e6]
    assert [block.activation_bits for block in made.blocks] == [8 * 1024 * 1024.5, 8 * 512]


@pytest.mark.parametrize(
    ("decimal", "text", "number"),
    [
        ("point", "1,234.5", "1234.5"),
        ("point", "1,234,567", "1234567"),
        ("point", "1\u202f234", "1234"),
        ("point", "1_234e3", "1234e3"),
        ("point", ".5", "0.5"),
        ("point", "-1,234", "-1234"),
        ("comma", "1.234,5", "1234.5"),
        ("comma", "1,5e-3", "1.5e-3"),
        ("comma", "12,", "12"),
        # No groups of three, two separators, two points: left for the reader to refuse.
        ("point", "1,23", "1,23"),
        ("point", "1,234 567", "1,234 567"),
        ("comma", "1,234,5", "1,234,5"),
        ("comma", "n/a", "n/a"),
        (None, "1,5", "1,5"),
    ],
)
def test_numbers_as_people_write_them(decimal, text, number):
    assert Columns({}, decimal).plain(text) == number


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["time_s"], "--column: 'time_s', expected such as time_s=Latency"),
        (["time=Latency"], "--column: 'time', expected one of name, .*; did you mean time_s"),
        (["name=A", "name=B"], "each column once"),
        (["time_s=Latency*0"], "a factor above 0"),
    ],
)
def test_a_mapping_that_is_none_is_told(given, said):
    with pytest.raises(InputError, match=said):
        read_columns(given, BLOCK_COLUMNS, None)


def test_a_mapped_file_is_told_by_its_own_names(tmp_path):
    path = tmp_path / "profiler.csv"
    path.write_text(PROFILER.replace("12,5", "twelve"))
    columns = read_columns(NAMES, BLOCK_COLUMNS, "comma")
    said = r"profiler.csv line 2, column Latency \(ms\): 'twelve', .* after times 1e-3"
    with pytest.raises(InputError, match=said):
        profile_from_csv(
            path, "net", 8, measured_on="b", measured_speed_flop_per_s=1.0, columns=columns
        )
    absent = read_columns([*NAMES[:3], "time_s=Latency"], BLOCK_COLUMNS, "comma")
    with pytest.raises(InputError, match=r"a column Latency; did you mean Latency \(ms\)\?"):
        profile_from_csv(path, "net", 8, columns=absent)


def test_profile_figures(profile):
    # Bytes become bits; an empty optional cell is its default.
    assert [b.flops for b in profile.blocks] == [2e8, 6e8, 1e7]
    assert [b.activation_bits for b in profile.blocks] == [6.4e6, 1.6e6, 3200]
    assert [b.exit_flops for b in profile.blocks] == [1e6, 0, 0]
    assert Profile.from_document(profile.to_document()) == profile


def test_measured_times_times_speed_are_flops(profile):
    # 0.02 s at 10 GFLOP/s are 0.2 GFLOP, as in blocks.csv.
    timed = profile_from_csv(
        DATA / "blocks_timed.csv",
        "my-net",
        1204224,
        measured_on="board",
        measured_speed_flop_per_s=1e10,
    )
    assert [b.flops for b in timed.blocks] == [b.flops for b in profile.blocks]
    assert "board" in timed.notes[0]


def test_times_need_a_speed_and_flops_take_none():
    with pytest.raises(InputError, match="measured speed"):
        profile_from_csv(DATA / "blocks_timed.csv", "my-net", 1)
    with pytest.raises(InputError, match="nothing where the file gives flops"):
        profile_from_csv(
            DATA / "blocks.csv", "n", 1, measured_on="b", measured_speed_flop_per_s=1e9
        )


def test_cift_round_trip(profile):
    instance = cift(
        profile,
        compressions=DATA / "compressions.csv",
        configurations=DATA / "configurations.csv",
        inference_deadline_s=0.1,
    )
    assert instance.nodes[0].speeds_flop_per_s == (5e9, 1e10)
    assert instance.nodes[1].speeds_flop_per_s == SpeedInterval(1e11, 1e12)
    assert [node.samples for node in instance.nodes] == [500, 0, 0]
    assert [g.epochs for g in instance.configurations] == [3, 7]
    assert instance.error_target is None
    again = CiftInstance.from_document(instance.to_document())
    assert again == instance
    assert again.content_hash == instance.content_hash


def test_cift_defaults(profile):
    instance = cift(profile, epochs=2)
    (only,) = instance.configurations
    assert (only.model, only.compression, only.source, only.fraction, only.epochs) == (
        "my-net",
        "none",
        "board",
        1.0,
        2,
    )


def test_mepra_round_trip(profile):
    instance = mepra(profile, exits="column", total=100)
    # The head is the last layer's branch, so three blocks make two layers.
    assert [layer.branch_flops for layer in instance.profiles[0].layers] == [1e6, 1e7]
    assert instance.exit_set.tolist() == [0b11, 0b10, 0b11]
    # Equal rows are stored once.
    assert instance.exit_row.tolist() == [0, 0, 1]
    again = MepraInstance.from_document(instance.to_document())
    assert again.content_hash == instance.content_hash


@pytest.mark.parametrize("exits", ["all", "free"])
def test_mepra_exits(profile, exits, tmp_path):
    text = (DATA / "devices.csv").read_text().splitlines()
    plain = tmp_path / "devices.csv"
    plain.write_text("\n".join(line.rpartition(",")[0] for line in text))
    instance = mepra_from_csv(
        "ward",
        [profile],
        plain,
        edge_capacity_flop_per_s=1e12,
        bandwidth_bit_per_s=1e7,
        exits=exits,
        total=100,
    )
    assert instance.exits == ("free" if exits == "free" else "fixed")
    if exits == "all":
        assert instance.exit_set.tolist() == [0b11] * 3


def test_spreadsheets_byte_order_mark_and_line_ends(tmp_path):
    path = tmp_path / "blocks.csv"
    text = (DATA / "blocks.csv").read_text().replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n,,,,\r\n")
    assert len(profile_from_csv(path, "n", 1).blocks) == 3


# File, then what its error must name: place, and a part of what is allowed or the remedy.
PROFILES = {
    "negative.csv": ("negative.csv line 2, column flops", "-1", ">= 0"),
    "total.csv": ("total.csv line 3, column name", "Total", "remove the line"),
    "kilobytes.csv": ("kilobytes.csv line 1", "param_kb", "multiply by 1000 or 1024"),
    "negative_bytes.csv": ("line 2, column activation_bytes", "-5", ">= 0"),
    "nan.csv": ("nan.csv line 2, column flops", "nan", "decimal number"),
    "underscore.csv": ("underscore.csv line 2, column flops", "1_000", "decimal number"),
    "huge.csv": ("huge.csv line 2, column flops", "1e999", "finite"),
    "empty_cell.csv": ("empty_cell.csv line 2, column flops", "''", "fill in"),
    "short_line.csv": ("short_line.csv line 2", "3 cells", "4 cells"),
    "semicolons.csv": ("semicolons.csv line 1", "name;flops", "separate columns by commas"),
    "no_activation.csv": ("no_activation.csv line 1", "", "activation_bytes"),
    "two_activations.csv": ("two_activations.csv line 1", "and", "remove one"),
    "column_twice.csv": ("column_twice.csv line 1", "flops", "each column once"),
    "unknown_column.csv": ("unknown_column.csv line 1", "colour", "columns name, param_bytes"),
    "header_alone.csv": ("header_alone.csv", "a header alone", "at least one line"),
    "empty.csv": ("empty.csv", "no line", "header"),
    "open_quote.csv": ("open_quote.csv line", "", "quotes in pairs"),
    "latin1.csv": ("latin1.csv", "byte 43", "UTF-8"),
    "unsafe_name.csv": ("unsafe_name.csv line 2, column name", "../up", "letters, digits"),
}
NODES = {
    "nodes_order.csv": ("line 2, column speeds_flop_per_s", "2e9;1e9", "ascending"),
    "nodes_interval.csv": ("line 2, column speeds_flop_per_s", "2e9..1e9", "swap"),
    "nodes_tier.csv": ("line 2, column tier", "fog", "end, edge, cloud"),
    "nodes_no_source.csv": ("nodes_no_source.csv", "no end node", "tier end"),
    "nodes_half_sample.csv": ("line 2, column samples", "1.5", "an integer"),
}
LINKS = {
    "links_unknown.csv": ("line 2, column head", "nowhere", "a node of nodes.csv"),
    "links_rate.csv": ("line 2, column rate_bit_per_s", "0", "> 0"),
    "links_cycle.csv": ("line 2", "->", "without a cycle"),
}
DEVICES = {
    "devices_speed.csv": ("line 2, column speed_flop_per_s", "0", "> 0"),
    "devices_sum.csv": ("line 2, columns fraction_1 to fraction_2", "1.1", "add up to 1"),
    "devices_columns.csv": ("line 1", "fraction_1", "fraction_2"),
    "devices_beyond.csv": ("line 2, column fraction_3", "0", "nothing beyond layer 2"),
    "devices_exits.csv": ("line 2, column exits", "1", "2 among them"),
    "devices_profile.csv": ("line 2, column profile", "other", "my-net"),
}


def test_every_bad_file_is_tried():
    assert {path.name for path in BAD.iterdir()} == {*PROFILES, *NODES, *LINKS, *DEVICES}


@pytest.mark.parametrize("name", [*PROFILES, *NODES, *LINKS, *DEVICES])
def test_bad_files(profile, name):
    if name in PROFILES:
        call = partial(profile_from_csv, BAD / name, "my-net", 1)
    elif name in NODES:
        call = partial(cift, profile, nodes=f"bad/{name}")
    elif name in LINKS:
        call = partial(cift, profile, links=f"bad/{name}")
    else:
        exits = "column" if "exits" in name else "all"
        call = partial(mepra, profile, f"bad/{name}", exits=exits)
    with pytest.raises(InputError) as caught:
        call()
    where, value, advice = (PROFILES | NODES | LINKS | DEVICES)[name]
    error = caught.value
    assert where in error.field
    assert value in str(error)
    assert advice in str(error)
    assert "\n" not in str(error)


def test_errors_of_measured_times_are_in_seconds(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("name,time_s,param_bytes,activation_bytes\na,0.01,1,1\nb,-0.0001,0,8\n")
    with pytest.raises(InputError) as caught:
        profile_from_csv(path, "n", 1, measured_on="board", measured_speed_flop_per_s=1e10)
    assert caught.value.field == "times.csv line 3, column time_s"
    assert caught.value.value == "-0.0001"


def test_names_that_profilers_repeat_are_told_apart():
    made = profile_from_csv(DATA / "twice.csv", "n", 1)
    assert [block.name for block in made.blocks] == ["conv1", "conv1-2"]
    assert made.notes == ("names: 1 stood more than once and are told apart by a number.",)


@pytest.mark.parametrize(
    ("column", "cell", "seconds"),
    [("time_ms", "1.5", 0.0015), ("time_us", "0.3", 3e-7), ("time_ns", "7e3", 7e-6)],
)
def test_times_in_other_units_are_converted(tmp_path, column, cell, seconds):
    path = tmp_path / "times.csv"
    path.write_text(f"name,{column},param_kib,activation_bytes\na,{cell},3,1\n")
    (block,) = profile_from_csv(
        path, "n", 1, measured_on="board", measured_speed_flop_per_s=1e9
    ).blocks
    # To the last bit: the decimal product, not that of two doubles.
    assert block.flops == seconds * 1e9
    assert block.param_bytes == 3072


def test_units_of_links_and_nodes_are_converted(profile, tmp_path):
    links = tmp_path / "links.csv"
    text = (DATA / "links.csv").read_text().splitlines()
    assert text[0] == "tail,head,rate_bit_per_s,delay_s,energy_j_per_bit"
    rows = [line.split(",") for line in text[1:]]
    scaled = [
        f"{a},{b},{float(rate) / 1e6:.17g},{float(delay) * 1e3:.17g},{joules}"
        for a, b, rate, delay, joules in rows
    ]
    links.write_text("\n".join(["tail,head,rate_mbit_per_s,delay_ms,energy_j_per_bit", *scaled]))
    made = cift_from_csv("lab", [profile], DATA / "nodes.csv", links, requests=10)
    assert made.links == cift(profile).links
    links.write_text("tail,head,rate_mbit_per_s,delay_ms,energy_j_per_bit\nboard,server,1,-3,0\n")
    with pytest.raises(InputError, match=r"line 2, column delay_ms: '-3'"):
        cift_from_csv("lab", [profile], DATA / "nodes.csv", links, requests=10)


def test_all_that_is_wrong_in_a_file_is_told_at_once(tmp_path):
    path = tmp_path / "blocks.csv"
    path.write_text(
        "name,flops,param_bytes,activation_bytes\n"
        "a,1,1,1\nb,x,-1,1\n../c,2,2,-2\nd,1,1\n,3,3,3\nf,1,1,1\n"
    )
    with pytest.raises(InputErrors) as caught:
        profile_from_csv(path, "n", 1)
    assert sorted(error.field for error in caught.value.errors) == [
        "blocks.csv line 3, column flops",
        "blocks.csv line 3, column param_bytes",
        "blocks.csv line 4, column activation_bytes",
        "blocks.csv line 4, column name",
        "blocks.csv line 5",
        "blocks.csv line 6, column name",
    ]


def test_the_command_prints_a_line_an_error(tmp_path):
    path = tmp_path / "blocks.csv"
    path.write_text("name,flops,param_bytes,activation_bytes\n" + "a,x,1,1\n" * 30)
    done = CliRunner().invoke(
        cli, ["import", "profile", str(path), "--name", "n", "--input-bits", "1"]
    )
    lines = done.stderr.splitlines()
    assert (done.exit_code, done.stdout, len(lines)) == (2, "", 21)
    assert all(line.startswith("splitopt: error: ") for line in lines)
    assert lines[-1] == "splitopt: error: and 10 more"


def test_a_missing_file_and_a_missing_profile():
    with pytest.raises(InputError, match="No such file"):
        profile_from_csv(DATA / "nothing.csv", "n", 1)
    with pytest.raises(InputError, match="resnet18-imagenet"):
        read_profile("resnet1800")
    assert read_profile("resnet18-imagenet").name == "resnet18-imagenet"


def test_a_large_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("splitopt.instances.core.csv_tables.LARGEST_FILE_BYTES", 100)
    with pytest.raises(InputError, match="at most 100 bytes"):
        read_table(DATA / "blocks.csv", ("name",))
    monkeypatch.undo()
    monkeypatch.setattr("splitopt.instances.core.csv_tables.MOST_ROWS", 2)
    with pytest.raises(InputError, match="more than 2 lines"):
        profile_from_csv(DATA / "blocks.csv", "n", 1)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_profile_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "blocks.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    said = ""
    try:
        profile_from_csv(path, "n", 1)
    except InputError as error:
        said = str(error)
    assert "\n" not in said


def test_a_profile_that_is_no_json_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    with pytest.raises(InputError) as caught:
        read_profile(str(tmp_path / "empty.json"))
    assert str(caught.value).count("empty.json") == 1
