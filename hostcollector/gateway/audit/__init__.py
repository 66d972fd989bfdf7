"""The record of requests: a chain of hashes for each worker, written before an answer ends."""
