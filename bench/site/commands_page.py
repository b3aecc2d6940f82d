"""The command line as a reference page, read off the commands themselves."""

from __future__ import annotations

import click

from splitopt.bench.cli import COMMANDS, cli


def _help(name: str, command: click.Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=96)
    return command.get_help(context)


def commands_page() -> str:
    """Return the help of every command, subcommands included, under the program's headings."""
    root = click.Context(cli, info_name="splitopt", max_content_width=96, show_default=True)
    parts = [
        "# Command line",
        "Written by the program: this is what `splitopt COMMAND --help` prints. "
        "[commands.md](../commands.md) shows each command at work.",
    ]
    for heading in dict.fromkeys(place for _, place in COMMANDS.values()):
        parts.append(f"## {heading}")
        for name, (_, place) in COMMANDS.items():
            command = cli.get_command(root, name) if place == heading else None
            if command is None:
                continue
            parts.append(f"### splitopt {name}\n\n```text\n{_help(name, command, root)}\n```")
            if isinstance(command, click.Group):
                below = click.Context(command, info_name=name, parent=root)
                for part in command.list_commands(below):
                    found = command.get_command(below, part)
                    if found is not None:
                        text = _help(part, found, below)
                        parts.append(f"#### splitopt {name} {part}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"
