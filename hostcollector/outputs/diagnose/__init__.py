"""The text of `hostcollector diagnose`: what each source can and cannot read, and how to fix it."""
