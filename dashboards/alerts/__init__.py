"""The alerts as values, one file per subject, with thresholds from `parameters.yml`; rendered by `make rules`."""
