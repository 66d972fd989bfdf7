"""Values and tools without domain matter: model, source, errors, units, lanes, log, files."""
