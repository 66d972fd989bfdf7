"""Tests of the usage ledger and its intake."""
