"""Solvers that read our files, each by its own reader; a test's opinion of what a file says."""

import sys


def by_highs(path):
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("mip_abs_gap", 0.0)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return highs.getInfo().objective_function_value


def by_scip(path):
    import pyscipopt

    scip = pyscipopt.Model()
    scip.hideOutput()
    scip.setParam("limits/gap", 0.0)
    scip.readProblem(str(path))
    scip.optimize()
    assert scip.getStatus() == "optimal"
    return scip.getObjVal()


def by_cbc(path):
    """CBC itself, the program in PuLP's wheel."""
    import subprocess

    import pulp

    solver = pulp.PULP_CBC_CMD()
    done = subprocess.run(
        [solver.path, str(path), "-ratioGap", "0", "-solve", "-quit"],
        capture_output=True,
        text=True,
        check=True,
        cwd=path.parent,
    ).stdout
    assert "Optimal solution found" in done, done
    (line,) = [line for line in done.splitlines() if line.startswith("Objective value:")]
    return float(line.split(":")[1])


def by_glpk(path):
    import swiglpk as glpk

    glpk.glp_term_out(glpk.GLP_OFF)
    problem = glpk.glp_create_prob()
    if path.suffix == ".mps":
        assert glpk.glp_read_mps(problem, glpk.GLP_MPS_FILE, None, str(path)) == 0
    else:
        assert glpk.glp_read_lp(problem, None, str(path)) == 0
    settings = glpk.glp_iocp()
    glpk.glp_init_iocp(settings)
    settings.presolve = glpk.GLP_ON
    settings.tm_lim = 60_000
    assert glpk.glp_intopt(problem, settings) == 0
    assert glpk.glp_mip_status(problem) == glpk.GLP_OPT
    return glpk.glp_mip_obj_val(problem)


def by_ortools(path):
    """OR-tools' ModelBuilder, which reads the file by itself and solves with SCIP."""
    from ortools.linear_solver.python import model_builder

    model = model_builder.Model()
    read = model.import_from_mps_file if path.suffix == ".mps" else model.import_from_lp_file
    assert read(str(path))
    solver = model_builder.Solver("scip")
    assert solver.solver_is_supported()
    assert solver.solve(model) == model_builder.SolveStatus.OPTIMAL
    return solver.objective_value


def by_pulp(path):
    """PuLP's own reader of MPS, then CBC."""
    import pulp

    _, problem = pulp.LpProblem.fromMPS(str(path), sense=pulp.LpMinimize)
    assert problem.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=0.0)) == pulp.LpStatusOptimal
    return pulp.value(problem.objective) or 0.0  # None where nothing costs anything


LINEAR = {
    "HiGHS": by_highs,
    "SCIP": by_scip,
    "CBC": by_cbc,
    "GLPK": by_glpk,
    "OR-tools": by_ortools,
    "PuLP": by_pulp,
}

if __name__ == "__main__":
    from pathlib import Path

    for name, read in LINEAR.items():
        print(name, read(Path(sys.argv[1])))
