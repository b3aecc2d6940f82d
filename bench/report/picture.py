"""A plan as a picture: blocks on hosts, and bars of time and energy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from splitopt.bench.report.cuts import cuts_of
from splitopt.bench.report.html import Markup, tag
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.judge import evaluate_mepra
from splitopt.instances.mepra.model import MepraInstance, exit_set_of
from splitopt.instances.mepra.plan import MepraPlan
from splitopt.instances.problems import problem_for

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

_MOST_DEVICES = 24
_WIDTH = 680


def _bar_rows(
    title: str, rows: Sequence[tuple[str, float, str]], unit: str, top: float | None = None
) -> Markup:
    """Return horizontal bars as a table, so that they can be read out: name, length, class."""
    longest = top or max((value for _, value, _ in rows), default=0.0) or 1.0
    lines = []
    for name, value, class_ in rows:
        bar = tag(
            "svg",
            tag(
                "rect",
                width=f"{max(0.3, 100 * value / longest) if value else 0:.2f}%",
                height=14,
                class_=class_,
            ),
            class_="bar",
            aria_hidden="true",
        )
        lines.append(
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", bar, class_="bars"),
                tag("td", f"{value:.4g} {unit}", class_="number"),
            )
        )
    return tag("table", tag("caption", title), tag("tbody", lines), class_="bartable")


def _cells(counts: Sequence[tuple[int, str, str]], y: float, left: float, width: float) -> Markup:
    """Return a chain of blocks as cells: (how many, class, host) in order."""
    total = sum(count for count, _, _ in counts)
    marks = []
    done = 0
    each = width / max(1, total)
    for count, class_, host in counts:
        for _ in range(count):
            done += 1
            marks.append(
                tag(
                    "rect",
                    tag("title", f"block {done} on {host}"),
                    x=round(left + (done - 1) * each, 2),
                    y=y,
                    width=round(max(0.5, each - 1), 2),
                    height=18,
                    class_=class_,
                )
            )
    return Markup("".join(marks))


def _hosts(instance: CiftInstance, plan: CiftPlan) -> Markup:
    """Return the blocks in a row, and below them a box for each host with what it does."""
    counts, boxes = [], []
    done = 0
    # Boxes side by side need room for a name.
    step = max(110.0, _WIDTH / len(plan.stops))
    for k, stop in enumerate(plan.stops):
        node = instance.nodes[instance.node_index[stop.node]]
        counts.append((stop.blocks, f"tier {node.tier}", stop.node))
        if stop.blocks:
            what = f"blocks {done + 1} to {done + stop.blocks}"
            if stop.names:
                what = f"{stop.blocks} blocks, to {stop.names[-1]}"
        else:
            what = "sends the input" if k == 0 else "relay"
        done += stop.blocks
        x = k * step
        lines = [stop.node, node.tier, what]
        for speed, word in (
            (stop.inference_speed_flop_per_s, "serves"),
            (stop.fine_tuning_speed_flop_per_s, "tunes"),
        ):
            if speed is not None:
                lines.append(f"{word} at {speed / 1e9:.4g} GFLOP/s")
        boxes.append(
            tag("rect", x=x + 2, y=40, width=step - 24, height=92, class_=f"box {node.tier}")
        )
        for j, line in enumerate(lines):
            name = "name" if j == 0 else "tick"
            boxes.append(tag("text", line, x=x + 8, y=58 + 17 * j, class_=name))
        if k + 1 < len(plan.stops):
            boxes.append(tag("path", d=f"M{x + step - 22:g} 86h18m-6 -5l6 5l-6 5", class_="arrow"))
    width = max(_WIDTH, step * len(plan.stops))
    described = "; ".join(f"{s.node}: {s.blocks} blocks" for s in plan.stops)
    return tag(
        "svg",
        tag("title", "Blocks on hosts"),
        tag("desc", described),
        _cells(counts, 8, 2, width - 24),
        boxes,
        viewbox=f"0 0 {width:g} 140",
        role="img",
        aria_label=f"Blocks on hosts. {described}",
    )


def _cift(instance: CiftInstance, plan: CiftPlan) -> Markup:
    evaluation = evaluate_cift(instance, plan)

    def colour(kind: str, where: str) -> str:
        """Hosts have the colour of their tier here as above; hops have none."""
        index = instance.node_index.get(where)
        return "fill hop" if index is None else f"fill {instance.nodes[index].tier}"

    named = [(f"{s.kind} {s.where}", colour(s.kind, s.where), s) for s in evaluation.stages]
    energy = [(n, s.inference_energy_j + s.fine_tuning_energy_j, c) for n, c, s in named]
    latency = [(n, s.inference_latency_s, c) for n, c, s in named]
    tuning = [(n, s.fine_tuning_time_s, c) for n, c, s in named]
    parts = [
        tag(
            "p",
            f"{plan.model}, {plan.compression}, source {plan.source}, ",
            f"fraction {plan.fraction:g} of its data.",
        ),
        _key(("end", "end"), ("edge", "edge"), ("cloud", "cloud"), ("hop", "hop between hosts")),
        tag(
            "div",
            _hosts(instance, plan),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label="Hosts",
        ),
        *[tag("p", f"{cut}.", class_="quiet") for cut in cuts_of(instance, plan)],
        _bar_rows("Energy", energy, "J"),
        _bar_rows(
            _against(
                "Latency of a request",
                evaluation.inference_latency_s,
                instance.inference_deadline_s,
            ),
            latency,
            "s",
        ),
    ]
    if any(value for _, value, _ in tuning):
        parts.append(
            _bar_rows(
                _against(
                    "Time of fine-tuning",
                    evaluation.fine_tuning_time_s,
                    instance.fine_tuning_deadline_s,
                ),
                tuning,
                "s",
            )
        )
    return tag("div", parts, class_="picture")


def _key(*entries: tuple[str, str]) -> Markup:
    """Return what the colours of the blocks mean."""
    parts = [(tag("span", class_=f"swatch {c}", aria_hidden="true"), word) for c, word in entries]
    return tag("p", [part for pair in parts for part in pair], class_="quiet")


def _against(name: str, value: float, limit: float | None) -> str:
    if limit is None:
        return f"{name}: {value:.4g} s, no deadline"
    return f"{name}: {value:.4g} s of {limit:.4g} s"


def _mepra(instance: MepraInstance, plan: MepraPlan) -> Markup:
    evaluation = evaluate_mepra(instance, plan)
    shown = min(instance.devices, _MOST_DEVICES)
    bits = plan.exit_set if instance.exit_set is None else instance.exit_set
    strips = []
    for i in range(shown):
        split = int(plan.splits[i])
        layers = int(instance.layers[instance.profile[i]])
        exits = exit_set_of(int(bits[i])) if bits is not None else ()
        y = 4 + 30 * i
        counts = [(split, "tier end", f"device {i}"), (layers - split, "tier edge", "the edge")]
        strips.append(tag("text", f"device {i}", x=2, y=y + 14, class_="tick"))
        strips.append(_cells(counts, y, 90, _WIDTH - 96))
        each = (_WIDTH - 96) / layers
        for exit_ in exits:
            strips.append(
                tag(
                    "circle",
                    tag("title", f"exit behind layer {exit_}"),
                    cx=round(90 + exit_ * each - 0.5 * each, 1),
                    cy=y + 9,
                    r=2.5,
                    class_="exit",
                )
            )
    drawing = tag(
        "svg",
        tag("title", "Layers on devices and on the edge"),
        tag("desc", "A strip a device: layers on the device, then on the edge; dots are exits."),
        strips,
        viewbox=f"0 0 {_WIDTH} {8 + 30 * shown}",
        role="img",
        aria_label="Splits: " + ", ".join(str(int(s)) for s in plan.splits[:shown]),
    )
    names = [f"device {i}" for i in range(shown)]
    columns = (
        ("Latency", evaluation.device_latency_s, "s", f"sum {evaluation.latency_s:.5g} s"),
        ("Energy", evaluation.device_energy_j, "J", f"sum {evaluation.energy_j:.5g} J"),
        ("Share of the edge", plan.shares, "", ""),
    )
    parts: list[Markup] = [
        _key(("end", "layers on the device"), ("edge", "layers on the edge")),
        tag("div", drawing, class_="scroll", tabindex="0", role="region", aria_label="Splits"),
    ]
    for title, values, unit, total in columns:
        rows = [(n, float(v), "fill host") for n, v in zip(names, values[:shown], strict=True)]
        parts.append(_bar_rows(f"{title}: {total}" if total else title, rows, unit))
    if shown < instance.devices:
        parts.append(tag("p", f"The first {shown} of {instance.devices} devices."))
    return tag("div", parts, class_="picture")


_PICTURES: Mapping[str, Callable[[Any, Any], Markup]] = {"cift": _cift, "mepra": _mepra}


def picture(instance: Instance, plan: Plan) -> Markup | None:
    """Return the picture of a plan; None where the plan does not fit the instance."""
    try:
        return _PICTURES[problem_for(instance, plan).name](instance, plan)
    except InputError:
        return None
