"""The configuration: a strict YAML file and flags to frozen settings; it works with neither."""
