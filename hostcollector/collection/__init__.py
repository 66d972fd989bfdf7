"""One collection: sources under a deadline, joined to a frozen snapshot."""
