"""The subcommands of ``splitopt``: one module each, light to import."""
