"""Reads a folder and prints what was lost, by kind of loss first and by file then."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.corpus import bmcs, domains

MOST_LINES = 40


def main(folder: Path) -> int:
    """Run what is below the folder through the readers; 1 where something was lost or invented."""
    trees = list(_trees(folder))
    files = [file for file in sorted(folder.rglob("*.xml")) if not any(top in file.parents for top in trees)]
    wrong = _domains(folder, files) if files else 0
    for top in trees:
        wrong += _tree(folder, top)
    if not files and not trees:
        print(f"There is neither an XML file nor a Redfish tree below {folder}.")
    return int(wrong > 0)


def _trees(folder: Path) -> Iterator[Path]:
    """Yield the tops of the Redfish trees; there is none inside another."""
    if bmcs.is_tree(folder):
        yield folder
        return
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from _trees(inner)


def _domains(folder: Path, files: list[Path]) -> int:
    """Print what became of the domain XMLs, and return how many of them lost something."""
    others, wrong = 0, 0
    unread: Counter[str] = Counter()
    for file in files:
        found = domains.compare(file.read_text(errors="replace"))
        if found is None:
            others += 1
            continue
        unread.update(found.unread)
        lines = [f"lost: {it}" for it in found.lost] + [f"invented: {it}" for it in found.invented]
        if lines:
            wrong += 1
            _print(file.relative_to(folder), [*lines, *(f"remark: {it}" for it in found.remarks)])
    print(f"{len(files) - others} domain XMLs, {wrong} with a difference; {others} other XML files.")
    for kind, count in unread.most_common():
        print(f"  has no reading: {kind}, in {count} files")
    return wrong


def _tree(folder: Path, top: Path) -> int:
    """Print what became of a tree, and return how many things were lost."""
    found = bmcs.compare(bmcs.documents_below(top))
    lost = [*(f"lost: {it}" for it in found.lost), *(f"invented: {it}" for it in found.invented)]
    unshown = [f"no reading has its value: {name}, {count} times" for name, count in found.unshown.items()]
    _print(top.relative_to(folder), [*lost, *(f"problem: {it}" for it in found.problems), *unshown])
    print(f"  {found.gpus} GPUs, {len(lost)} differences, {len(found.problems)} problems.")
    return len(lost)


def _print(name: Path, lines: list[str]) -> None:
    print(name)
    for line in lines[:MOST_LINES]:
        print(f"  {line}")
    if len(lines) > MOST_LINES:
        print(f"  and {len(lines) - MOST_LINES} more")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("which folder? make corpus DIR=folder")
    sys.exit(main(Path(sys.argv[1])))
