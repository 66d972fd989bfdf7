"""The live table of `hostcollector top`: guests, their use of resources, and which are in trouble.

It is made from pages: those of a running collector, or collections in the same process. Rates are differences
between two pages.
"""
