"""Prints the tables that are named, or all of them."""

import sys

from tests.bench.gateway import hostile, lock, memory, neighbours, ways

PARTS = {
    "ways": ways.main,
    "memory": memory.main,
    "hostile": hostile.main,
    "neighbours": neighbours.main,
    "lock": lock.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
