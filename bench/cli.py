"""The command ``splitopt``.

Subcommands are modules of `splitopt.bench.commands`, imported when they are called; none of them
imports numpy or a solver before it has work to do, so that ``--help``, ``list`` and ``methods``
answer at once.

Exit codes: 0 for a run that ended in order (a proof of infeasibility is one), 2 for bad input, 130
when interrupted (143 by SIGTERM, 129 by SIGHUP), 1 for anything else.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TextIO

import click

from splitopt.bench.commands.signals import interruption, listen
from splitopt.instances.core.errors import InputError, InputErrors
from splitopt.instances.core.printable import printable

BAD_INPUT = 2
_MOST_ERRORS = 20  # lines of one file's errors
# The parameters of commands that may have given a field, where their names differ.
_PARAMETERS = {
    "time_limit_s": ("time_limit",),
    "grace_s": ("grace",),
    "cpu_limit_s": ("cpu_limit",),
    "memory_limit_bytes": ("memory_limit",),
    "relative_gap": ("gap",),
    "method": ("plugins", "methods", "method"),
    "solver": ("methods", "method"),
    "file": ("cluster_options", "warm_start"),
    "instance": ("references",),
    "measured speed": ("measured_speed",),
}

# Command to (module:object, heading under which ``--help`` lists it).
COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": ("splitopt.bench.commands.list:list_", "Instances"),
    "show": ("splitopt.bench.commands.show:show", "Instances"),
    "generate": ("splitopt.bench.commands.generate:generate", "Instances"),
    "import": ("splitopt.bench.commands.imports:import_", "Instances"),
    "best-known": ("splitopt.bench.commands.best_known:best_known", "Instances"),
    "methods": ("splitopt.bench.commands.methods:methods", "Solving"),
    "solve": ("splitopt.bench.commands.solve:solve", "Solving"),
    "check": ("splitopt.bench.commands.check:check", "Solving"),
    "explain": ("splitopt.bench.commands.explain:explain", "Solving"),
    "solvers": ("splitopt.bench.commands.solvers:solvers", "Solving"),
    "export": ("splitopt.bench.commands.export_model:export", "Solving"),
    "read-solution": ("splitopt.bench.commands.read_solution:read_solution", "Solving"),
    "sweep": ("splitopt.bench.commands.sweep:sweep", "Solving"),
    "rehearse": ("splitopt.bench.commands.rehearse:rehearse", "Solving"),
    "run": ("splitopt.bench.commands.run:run", "Benchmarking"),
    "new": ("splitopt.bench.commands.new:new", "Benchmarking"),
    "conform": ("splitopt.bench.commands.conform:conform", "Benchmarking"),
    "status": ("splitopt.bench.commands.status:status", "Benchmarking"),
    "report": ("splitopt.bench.commands.report:report", "Benchmarking"),
    "verify": ("splitopt.bench.commands.verify:verify", "Benchmarking"),
    "epochs": ("splitopt.bench.commands.epochs:epochs", "Benchmarking"),
    "claims": ("splitopt.bench.commands.claims:claims", "Benchmarking"),
    "compare": ("splitopt.bench.commands.stores:compare", "Benchmarking"),
    "merge": ("splitopt.bench.commands.stores:merge", "Benchmarking"),
    "backup": ("splitopt.bench.commands.stores:backup", "Benchmarking"),
    "export-runs": ("splitopt.bench.commands.stores:export", "Benchmarking"),
    "export-solu": ("splitopt.bench.commands.best_known:export_solu", "Benchmarking"),
    "grade": ("splitopt.bench.commands.grade:grade", "Teaching"),
    "train": ("splitopt.bench.commands.train:train", "Learning"),
    "completion": ("splitopt.bench.commands.completion:completion", "Shell"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use, listed under headings."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, importing its module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a name that is none, say which ones are spelt alike."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=2)
            if near:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {' or '.join(near)}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        width = max(map(len, COMMANDS))
        for heading in dict.fromkeys(entry[1] for entry in COMMANDS.values()):
            rows = []
            for name, (_, place) in COMMANDS.items():
                command = self.get_command(ctx, name) if place == heading else None
                if command is not None:
                    rows.append((name.ljust(width), command.get_short_help_str(limit=100)))
            with formatter.section(heading):
                formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line as click does, but tell its errors in one line too."""

        def run() -> Any:
            return super(LazyGroup, self).main(
                args, prog_name, complete_var, standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        try:
            code = run()
        except click.UsageError as error:
            if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
                click.echo(error.format_message())
                sys.exit(BAD_INPUT)
            path = "splitopt" if error.ctx is None else error.ctx.command_path
            said = " ".join(error.format_message().split()).rstrip(".")
            click.echo(
                printable(f"splitopt: error: {said}; {path} --help shows what there is"), err=True
            )
            sys.exit(BAD_INPUT)
        except click.ClickException as error:
            click.echo(printable(f"splitopt: error: {_line(error)}"), err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            said, code = interruption()
            click.echo(said, err=True)
            sys.exit(code)
        # An exit code, or what a command returned, which is nothing.
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and turn what goes wrong into one line and an exit code."""
        words = [*ctx._protected_args, *ctx.args]
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                warnings.filterwarnings("once", message=".* without a checksum")
                return super().invoke(ctx)
        except InputError as error:
            several = error.errors if isinstance(error, InputErrors) else (error,)
            given = self._given(ctx, words)
            lines = [f"splitopt: error: {self._typed(e, given)}" for e in several[:_MOST_ERRORS]]
            if len(several) > len(lines):
                lines.append(f"splitopt: error: and {len(several) - len(lines)} more")
            _stop(ctx, lines, BAD_INPUT)
        except KeyboardInterrupt:
            said, code = interruption()
            _stop(ctx, [said], code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output has gone: click's business
                raise
            _stop(ctx, [f"splitopt: error: {_line(error)}"], 1)
        except Exception as error:
            _stop(
                ctx,
                [
                    f"splitopt: unexpected error: {type(error).__name__}: {_line(error)} "
                    "(splitopt --debug ... shows where)"
                ],
                1,
            )

    def _given(self, ctx: click.Context, words: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Return the options on the command line: by parameter, as typed and with its value."""
        command: click.Command | None = self
        below = ctx
        for k, word in enumerate(words):
            if not isinstance(command, click.Group):
                words = words[k:]
                break
            command = command.get_command(below, word)
            if command is None:
                return {}
            below = click.Context(command, info_name=word, parent=below)
        found: dict[str, tuple[str, str]] = {}
        for parameter in [] if command is None else command.params:
            long = next((name for name in parameter.opts if name.startswith("--")), "")
            for k, word in enumerate(words):
                name, _, value = word.partition("=")
                if long and parameter.name and name in parameter.opts:
                    value = value or " ".join(words[k + 1 : k + 2])
                    if parameter.name in found:  # given again: both are kept
                        value = f"{found[parameter.name][1]}\n{value}"
                    found[parameter.name] = (long, value)
        return found

    def _typed(self, error: InputError, given: Mapping[str, tuple[str, str]]) -> InputError:
        """Return an error about what an option gave as one about the option, as it was typed."""
        kind, _, name = error.field.partition(" ")
        if kind == "option" and name:  # of a method
            if name in given:
                return error.named(given[name][0])
            texts = given["assignments"][1] if "assignments" in given else ""
            found = re.search(rf"^(.+\.)?{re.escape(name)}(?==)", texts, re.MULTILINE)
            return error if found is None else error.named(f"--option {found[0]}")
        names = _PARAMETERS.get(error.field, (error.field,))
        for name in names:
            if name in given and (len(names) == 1 or str(error.value) in given[name][1]):
                return error.named(given[name][0])
        return error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Tell a warning of ours in one line, once; those of libraries as Python does."""
    if category.__module__.startswith("splitopt."):
        click.echo(printable(f"splitopt: note: {message}"), err=True)
    else:
        (file or sys.stderr).write(
            warnings.formatwarning(message, category, filename, lineno, line)
        )


def _line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _stop(ctx: click.Context, lines: Sequence[str], code: int) -> NoReturn:
    """Leave with `code` after these lines on stderr, before them the traceback where asked for."""
    shown = list(lines)
    if ctx.params.get("debug") or os.environ.get("SPLITOPT_DEBUG"):
        shown = [*traceback.format_exc().split("\n"), *lines]
    for line in shown:
        click.echo(printable(line), err=True)
    raise click.exceptions.Exit(code)


_HELP = """Measure how far a method for split DNN inference is from the proven optimum.

\b
Start here:
  splitopt list                                              # sets of instances
  splitopt methods                                           # what can solve them
  splitopt solve mepra-image-10mbps --method highs-tangent   # a proven optimum
  splitopt explain mepra-image-10mbps                        # why it is what it is

splitopt COMMAND --help has examples of each command.
"""


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
    help=_HELP,
    epilog="Exit codes: 0 ended in order, 2 bad input, 130 interrupted (143 by SIGTERM), "
    "1 anything else.",
)
@click.version_option(package_name="splitopt", prog_name="splitopt")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Measure how far a method for split DNN inference is from the proven optimum."""


def main() -> NoReturn:
    """Run the command line and exit."""
    listen()
    cli(prog_name="splitopt")
    sys.exit(0)


if __name__ == "__main__":
    main()
