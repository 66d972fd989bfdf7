"""The tests, which mirror the package; the laboratory and the benchmark are packages of their own."""
