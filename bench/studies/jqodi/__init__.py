"""JQODI's guarantee, speed and kernel: docs/jqodi.md."""
