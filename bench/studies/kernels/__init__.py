"""The label kernel against other programs on the same graphs: docs/jqodi.md."""
