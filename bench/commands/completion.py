"""``splitopt completion``: the script that makes a shell complete names."""

from __future__ import annotations

import click

HOW = {
    "bash": 'eval "$(splitopt completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(splitopt completion zsh)" in ~/.zshrc',
    "fish": "splitopt completion fish > ~/.config/fish/completions/splitopt.fish",
}


@click.command(
    epilog="\b\nExamples:\n" + "\n".join(f"  {line}" for line in HOW.values()),
)
@click.argument("shell", type=click.Choice(list(HOW)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL; it completes commands, instances and methods."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click ships all three
    root = ctx.find_root().command
    click.echo(kind(root, {}, "splitopt", "_SPLITOPT_COMPLETE").source())
