"""Between Pyomo and HiGHS: a linear model as arrays, its values back, files written whole."""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.errors import InvalidConstraintError, InvalidExpressionError
from pyomo.common.log import LoggingIntercept

from splitopt.formulations.solvers.files import NamedModel, plain, write_named
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.core.documents import write_bytes

WRITERS = ("lp", "mps", "nl")
_COMMENT = {"lp": "\\* {} *\\\n", "mps": "* {}\n"}


def stated(relation: Any) -> Any:
    """Return a constraint; a relation without variables, such as 0 <= 1, is left out.

    Raises
    ------
    ValueError
        For a relation without variables that does not hold.
    """
    if relation is False:
        raise ValueError("the relation 0 = 1 has no variable to make it true")
    return pyo.Constraint(expr=pyo.Constraint.Feasible if relation is True else relation)


def chosen(variable: Any) -> list[Any]:
    """Return the indices at which a binary variable is one; unset values count as zero."""
    return [key for key, data in variable.items() if (data.value or 0.0) > 0.5]


def _standard_form(model: Any) -> Any:
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    return LinearStandardFormCompiler().write(model, mixed_form=True)


def compiled(model: Any) -> tuple[SparseModel, list[Any]]:
    """Return a linear model as arrays, and the Pyomo variable of each column.

    Pyomo's own interfaces hand a model to HiGHS variable by variable; `LinearStandardFormCompiler`
    makes one sparse matrix of it, which HiGHS takes at once.
    """
    form = _standard_form(model)
    return _arrays(form), list(form.columns)


def _arrays(form: Any) -> SparseModel:
    matrix = form.A.tocoo()
    kinds = np.array([row.bound_type for row in form.rows], dtype=np.int64)
    rhs = np.asarray(form.rhs, dtype=np.float64)
    lower = np.array([-np.inf if v.lb is None else v.lb for v in form.columns], dtype=np.float64)
    upper = np.array([np.inf if v.ub is None else v.ub for v in form.columns], dtype=np.float64)
    return SparseModel(
        cost=np.asarray(form.c.todense(), dtype=np.float64).reshape(-1, len(form.columns))[0],
        lower=lower,
        upper=upper,
        integer=np.array([not v.is_continuous() for v in form.columns], dtype=np.bool_),
        # bound_type: -1 for a lower bound, 0 for an equation, 1 for an upper bound.
        row_lower=np.where(kinds == 1, -np.inf, rhs),
        row_upper=np.where(kinds == -1, np.inf, rhs),
        row=matrix.row.astype(np.int64),
        column=matrix.col.astype(np.int64),
        value=matrix.data.astype(np.float64),
    )


class Labels:
    """Names of a model's parts that every reader takes, the same each time it is built."""

    def __init__(self, model: Any) -> None:
        parts = [
            part
            for kind in (pyo.Var, pyo.Constraint, pyo.Objective)
            for part in model.component_data_objects(kind, active=True, descend_into=True)
        ]
        self._names = dict(zip(map(id, parts), plain(part.name for part in parts), strict=True))

    def __call__(self, part: Any) -> str:
        """Return the name of a part; Pyomo asks for some of its own beside them."""
        return self._names.get(id(part)) or plain([str(part)])[0]


def columns_by_name(model: Any, label: Labels) -> dict[str, Any]:
    """Return the variables of a model by their names in the files that `write_model` writes."""
    return {label(v): v for v in model.component_data_objects(pyo.Var, descend_into=True)}


def _named(model: Any, label: Labels) -> NamedModel | None:
    """Return a linear model with its names, None where it is not linear."""
    try:
        form = _standard_form(model)
    except (InvalidConstraintError, InvalidExpressionError):
        return None
    return NamedModel(
        _arrays(form),
        tuple(map(label, form.columns)),
        plain(label(row.constraint) for row in form.rows),
        float(np.asarray(form.c_offset).reshape(-1)[0]),
    )


def write_model(
    model: Any,
    path: Path,
    kind: str,
    label: Labels | None = None,
    *,
    comment: str = "",
    lasting: bool = True,
) -> dict[str, int]:
    """Write a model to `path` in one step, in a format of `WRITERS`; return its size.

    Of LP and MPS files it says as well whether they are linear.

    LP and MPS files begin with `comment` and name the model's parts as `plain` does; NL files have
    neither. Linear models are written by `splitopt.formulations.solvers.files`, others by Pyomo.
    """
    if kind not in WRITERS:
        raise ValueError(f"{kind} is none of {WRITERS}")
    label = Labels(model) if label is None and kind in _COMMENT else label
    named = None if label is None else _named(model, label)
    if named is not None:
        size = write_named(named, path, kind, model.name, comment, lasting=lasting)
        return size | {"linear": True}
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"model.{kind}"
        labels = {} if kind == "nl" else {"labeler": label}
        # Pyomo's log goes to standard output, of a placeholder where the objective is constant.
        with LoggingIntercept(module="pyomo", level=logging.WARNING):
            model.write(str(draft), io_options=labels)
        data = draft.read_bytes()
        if kind == "lp":
            # Readers disagree on blanks around ^ 2 (SCIP takes none): a product is read by all.
            data = re.sub(rb"^([+-]\S+) (\S+) \^ 2$", rb"\1 \2 * \2", data, flags=re.MULTILINE)
        if comment and kind in _COMMENT:
            data = _COMMENT[kind].format(comment).encode() + data
        write_bytes(path, data, lasting=lasting)
    rows = model.component_data_objects(pyo.Constraint, active=True, descend_into=True)
    variables = list(model.component_data_objects(pyo.Var, descend_into=True))
    return {
        **({"linear": False} if kind in _COMMENT else {}),
        "rows": sum(1 for _ in rows),
        "columns": len(variables),
        "integers": sum(not v.is_continuous() for v in variables),
    }
