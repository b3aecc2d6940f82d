"""Whether a method takes an instance: what it says itself, and what it never heard of."""

from __future__ import annotations

from typing import Any

from splitopt.instances.contract.method import Method, Support

_SAID = {
    "epochs": "numbers of epochs in doubt",
    "scenarios": "scenarios of the network",
    "spread": "means and variances of the network's times",
}


def lacking(method: Any, instance: Any) -> Support:
    """Refuse an instance with what the method's `takes` and `doubt` do not name."""
    for what in getattr(instance, "beyond", ()):
        if what not in getattr(method, "takes", ()):
            return Support(f"{method.name} does not take {what}")
    doubt = getattr(instance, "doubt", None)
    kinds = frozenset() if doubt is None else doubt.kinds
    missing = sorted(kinds - getattr(method, "doubt", frozenset()))
    if missing:
        return Support(f"{method.name} takes no {' and '.join(_SAID[kind] for kind in missing)}")
    return Support()


def supported(method: Method[Any, Any], instance: Any) -> Support:
    """Return whether `method` takes `instance`, with the reason where it does not.

    A method that was written before instances could have graphs, or be in doubt, does not know
    that this one is; so `Method.supports` is asked only where its attributes `takes` and `doubt`
    name what there is.
    """
    missing = lacking(method, instance)
    return method.supports(instance) if missing else missing
