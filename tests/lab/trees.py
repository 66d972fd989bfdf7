"""The collector of another checkout, so that the same trial can be made with both."""

import os
from pathlib import Path

OWN = Path(__file__).parents[2]

TREE = Path(os.environ.get("TREE", OWN)).resolve()
"""Whose collector is tried: this checkout's, unless another one is named."""


def inside(tree: Path = TREE) -> tuple[str, ...]:
    """Return what a command has to begin with to find a checkout's collector and no other."""
    return ("env", f"--chdir={tree}", f"PYTHONPATH={tree}")
