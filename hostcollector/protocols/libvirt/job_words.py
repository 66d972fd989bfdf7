"""libvirt's words for the jobs of a guest and of its disks, by number (libvirt: libvirt-domain.h)."""

# virDomainJobOperation
OPERATIONS = (
    "unknown",
    "start",
    "save",
    "restore",
    "migration_in",
    "migration_out",
    "snapshot",
    "snapshot_revert",
    "dump",
    "backup",
    "snapshot_delete",
)
# virDomainBlockJobType
BLOCK_OPERATIONS = ("unknown", "pull", "copy", "commit", "active_commit", "backup")


def operation(number: object) -> str:
    """Return the word for a virDomainJobOperation; ``unknown`` for a number of a newer libvirt."""
    return _word(OPERATIONS, number)


def block_operation(number: object) -> str:
    """Return the word for a virDomainBlockJobType; ``unknown`` for a number of a newer libvirt."""
    return _word(BLOCK_OPERATIONS, number)


def _word(words: tuple[str, ...], number: object) -> str:
    return words[number] if isinstance(number, int) and 0 <= number < len(words) else words[0]
