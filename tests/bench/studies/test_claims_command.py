"""The command, its document and its page; CIFT's claims on runs made by hand."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.commands.claims import _is_cift
from splitopt.bench.studies.claims import cift, study
from splitopt.bench.studies.claims.assumptions import AXES
from splitopt.bench.studies.claims.cift import Compared, Tested, judge_cift
from splitopt.bench.studies.claims.page import page
from splitopt.bench.studies.claims.page_parts import percent, table
from splitopt.bench.studies.claims.statements import CLAIMS
from splitopt.bench.studies.claims.thresholds import THRESHOLDS

ROOT = Path(__file__).parents[3]
VERDICTS = {"holds", "holds in part", "does not hold", "not tested"}


def splitopt(*arguments: str):
    return CliRunner().invoke(cli, ["claims", *arguments], prog_name="splitopt")


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    out = tmp_path_factory.mktemp("claims")
    result = splitopt("--only", "sweeps", "--bandwidths", "5,45,50", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((out / "claims.json").read_text())
    return found, out


def test_document_and_files(document):
    found, out = document
    assert (found["format"], found["version"], found["seed"]) == ("splitopt-claims", 1, 0)
    assert [c["number"] for c in found["claims"]] == list(range(1, 12))
    for claim, stated in zip(found["claims"], CLAIMS, strict=True):
        assert claim["text"] == stated.text
        assert claim["verdict"] in VERDICTS
        assert len(claim["parts"]) == len(stated.parts)
        assert claim["grid"] is None
    # Claims of the other source were not asked for.
    assert [c["verdict"] for c in found["claims"][9:]] == ["not tested"] * 2
    assert {t["name"] for t in found["thresholds"]} == {t.name for t in THRESHOLDS}
    for name in ("image", "video"):
        curves = found["sweeps"][name]["curves"]
        assert {"aco-ear", "spinn-ear", "fp-ar", "ppo", "ideal ACO-DRL"} <= set(curves)
        for measures in curves.values():
            assert set(measures) == {"latency_s", "energy_j", "cost"}
            # Weights are 1: cost is latency plus energy.
            for t, e, c in zip(*measures.values(), strict=True):
                assert c == pytest.approx(t + e, rel=1e-9)
        # Nothing with these exits undercuts the proven optimum; the learner is such a thing.
        for mine, best in zip(curves["ppo"]["cost"], curves["ideal ACO-DRL"]["cost"], strict=True):
            assert mine >= best * (1 - 1e-9)
        assert f"figures/claims-{name}.svg" in (out / "claims.md").read_text()
        assert (out / "figures" / f"claims-{name}.svg").read_text().count("<svg") == 1
    assert "not computed: grid" in found["gaps"]


def test_a_part_that_is_done_is_not_done_again(document, monkeypatch):
    found, out = document

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(study, "_sweeps", never)
    same = splitopt("--only", "sweeps", "--bandwidths", "5,45,50", "--out", str(out), "--json")
    assert json.loads(same.stdout) == found
    # Another seed is another request.
    other = splitopt(
        "--only", "sweeps", "--bandwidths", "5,45,50", "--seed", "1", "--out", str(out)
    )
    assert other.exit_code == 1
    assert "computed again" in other.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--bandwidths", "5,x"], "--bandwidths"),
        (["--bandwidths", "0"], "--bandwidths"),
        (["--time-limit", "0"], "--time-limit"),
        (["--generated", "-1"], "--generated"),
        (["--seed", "-1"], "--seed"),
        (["--only", "cift", "--problem", "mepra"], "--only"),
        (["--problem", "cift", "--set", "mepra-image-5mbps"], "--set"),
        (["--problem", "cift", "--set", "nothing"], "nothing"),
        (["--out", str(ROOT / "README.md" / "x")], "--out"),
    ],
)
def test_bad_input_is_one_line(arguments, named):
    result = splitopt(*arguments)
    assert result.exit_code == 2
    assert named in result.output
    assert result.output.count("\n") <= 4  # click's own errors name the usage too


def hand_made(**changes) -> Tested:
    """Two instances, one rival that is worse in both figures; labels n^2 / epsilon."""
    plans = [
        Compared(name, method, energy, latency, 1.0)
        for name in ("a", "b")
        for method, energy, latency in (("jqodi", 1.0, 1.0), ("fin", 1.1, 1.2))
    ]
    chain = [(n, e, round(n * n / e)) for n in (4, 8, 16) for e in (1.0, 0.5, 0.25, 0.1)]
    chain += [(n, 0.0, 2**n) for n in (4, 8)]
    made = {"runs": 6, "compared": plans, "chain": chain, "two_deadlines": [(True, True)] * 3}
    return Tested(**{**made, **changes})


def verdicts(tested: Tested) -> list[list[str]]:
    return [[str(f.verdict) for f in found] for found in judge_cift(tested).values()]


def test_cift_claims_holding():
    tested = hand_made()
    assert verdicts(tested) == [["holds"] * 4, ["holds"] * 2]
    ten, _ = judge_cift(tested).values()
    assert ten[1].figures["worst_exponent"] == pytest.approx(2.0)
    assert ten[1].figures["untrimmed_doublings_a_stage"] == pytest.approx(1.0)
    assert ten[2].figures["worst_exponent"] == pytest.approx(1.0, abs=0.01)


def test_cift_claims_failing():
    # One violation refutes a theorem; labels that double with each stage are no polynomial.
    broken = hand_made(
        violations=["a, default, 1: value above"],
        chain=[(n, e, 2**n) for n in (4, 8, 16) for e in cift.CHAIN_EPSILONS],
        two_deadlines=[(False, True)] * 3,
    )
    assert verdicts(broken)[0] == ["does not hold", "does not hold", "holds", "does not hold"]
    mixed = hand_made(two_deadlines=[(True, True), (False, True)])
    assert verdicts(mixed)[0][3] == "holds in part"
    assert verdicts(Tested()) == [["not tested"] * 4, ["not tested"] * 2]


def test_a_rival_without_a_plan_loses_and_a_faster_one_wins():
    plans = [
        Compared("a", "jqodi", 1.0, 1.0, 1.0),
        Compared("a", "edge-only", math.inf, math.inf, math.inf),
        Compared("a", "neurosurgeon", 2.0, 0.5, 1.0),
    ]
    energy, latency = judge_cift(hand_made(compared=plans))[11]
    assert str(energy.verdict) == "holds"
    assert str(latency.verdict) == "holds in part"
    assert latency.note == "not against neurosurgeon"
    assert cift.tested_document(hand_made(compared=plans))["plans"][1]["energy_j"] is None


def test_cift_runs_on_an_instance(monkeypatch):
    monkeypatch.setattr(cift, "CHAIN_STAGES", (4, 8))
    tested = cift.run_cift(["cift-tiny-both"], 0, 20.0)
    assert tested.instances == ["cift-tiny-both"]
    assert tested.violations == []
    assert tested.runs == 6  # default and relaxed, three epsilons
    assert all(1 - 1e-9 <= r <= 1 + e for e, r in tested.worst_ratio.items())
    assert {c.method for c in tested.compared} >= {"jqodi", "device-only", "fin"}
    mine = next(c for c in tested.compared if c.method == "jqodi")
    assert all(mine.energy_j <= c.energy_j * 1.01 for c in tested.compared)
    assert {e for _, e, _ in tested.chain} == {0.0, *cift.CHAIN_EPSILONS}


def test_percent_never_rounds_a_difference_away():
    assert [percent(x) for x in (0.0, 1e-5, 0.5, 0.9999, 1.0)] == [
        "0 %",
        "< 1 %",
        "50 %",
        "> 99 %",
        "100 %",
    ]
    assert percent(1e-6, 3) == "< 0.001 %"
    assert list(table(["a"], [["x|y"]])) == ["| a |", "|---|", "| x\\|y |"]


def test_where_a_part_goes_follows_from_its_verdicts(document):
    found = json.loads(json.dumps(document[0]))
    claim = found["claims"][2]
    for part, verdict in zip(claim["parts"], ("holds", "holds", "does not hold"), strict=True):
        part["finding"]["verdict"] = verdict
    claim["grid"] = {
        "shares": {"holds": 0.95, "holds in part": 0.05, "does not hold": 0.0},
        "assumption": None,
        "assumption_word": "none",
        "holds_by_level": {},
        "parts": [
            {"robust": robust, "shares": {"holds": 1.0}, "assumption": None, "holds_by_level": {}}
            for robust in ("holds", None, "does not hold")
        ],
    }
    text = page(found, "splitopt claims")
    story = text[text.index("## What survives") : text.index("## The sweeps")]
    survives, ours, never = (story.index(f"(3) image: {part['text']}") for part in claim["parts"])
    assert story.index("Holds here and at nine of ten") < survives
    assert survives < story.index("Holds here, but by our assumptions") < ours
    assert ours < story.index("Does not hold, here or at nine of ten") < never


def test_the_committed_page_is_of_these_claims_thresholds_and_axes():
    text = (ROOT / "docs" / "claims.md").read_text()
    for claim in CLAIMS:
        assert claim.text in text
        assert all(part.text in text for part in claim.parts)
    for threshold in THRESHOLDS:
        assert f"| {threshold.name} | {threshold.words} | {threshold.value:g} |" in text
    for axis in AXES:
        assert axis.text in text
    for name in ("image", "video", "grid"):
        assert f"figures/claims-{name}.svg" in text
        assert (ROOT / "docs" / "figures" / f"claims-{name}.svg").is_file()


def test_the_summary_counts_what_the_page_says_in_120_words():
    text = (ROOT / "docs" / "claims.md").read_text()
    short, figure = text.split("\n\n")[1:3]
    assert figure == "![Share of the grid at which each claim holds](figures/claims-grid.svg)"
    assert len(short.split()) <= 120
    lines = text[text.index("## The claims in one line each") : text.index("## What survives")]
    for verdict, said in (
        ("does not hold", "1 does not hold"),
        ("holds", "1 holds"),
        ("holds in part", "9 hold in part"),
    ):
        assert len(re.findall(rf"^\| \d+ \|.*\*\*{verdict}\*\*", lines, re.M)) == int(said[0])
        assert said in short
    ours = re.search(r"\*\*Holds here, but by our assumptions.*?\n\n(.*?)\n\n", text, re.DOTALL)[1]
    assert f"{len(ours.splitlines())} more parts hold under our assumptions" in short
    gains = re.findall(
        r"cost (\S+ %) less than ACO-EAR in the median over the sweep, (\S+) %", text
    )
    assert f"{gains[0][0]} (image) and {gains[1][0]} (video)" in short
    assert f"{max(float(most) for _, most in gains)} % at most" in short


def test_a_page_of_sweeps_alone_opens_with_what_they_say(document):
    found, out = document
    text = (out / "claims.md").read_text()
    short = text.split("\n\n")[1]
    assert short.startswith("**In short.** Of 11 claims, held against proven optima, ")
    assert "2 were not tested" in short
    for name, sweep in found["sweeps"].items():
        best, even = (sweep["curves"][c]["cost"] for c in ("ideal ACO-DRL", "aco-ear"))
        middle = sorted(1 - a / b for a, b in zip(best, even, strict=True))[1]
        assert f"{percent(middle, 2)} ({name})" in short
    assert "this stands" not in short  # nobody computed the grid


def test_the_problem_of_a_file_is_what_it_says_and_not_its_name(tmp_path):
    data = ROOT / "tests" / "data"
    for kind, name in (("cift", "mepra-like"), ("mepra", "cift-like")):
        path = tmp_path / f"{name}.json"
        path.write_bytes((data / f"small-{kind}.json").read_bytes())
        assert _is_cift(str(path)) == (kind == "cift")
    assert _is_cift("cift-tiny-both")
    assert _is_cift("cift-tiers-s7")
    assert not _is_cift("mepra-image-10mbps")
    done = splitopt("--problem", "cift", "--set", str(tmp_path / "cift-like.json"))
    assert done.exit_code == 2
    assert "instances of CIFT" in done.output
