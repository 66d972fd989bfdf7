"""Folders of real files through the real readers, each compared with a second, independent account.

``python -m tests.corpus DIR`` (``make corpus DIR=...``) takes domain XMLs and Redfish trees wherever they lie
below the folder, and prints what was lost of each and why. Files of others are not kept here; reductions
written by hand are in tests/fixtures/corpus.
"""
