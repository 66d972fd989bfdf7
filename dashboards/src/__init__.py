"""The dashboards as Python: one file per board; `python -m dashboards.src` writes their JSON.

A board is a value (`board.Board`) of rows of panels, and a panel is what it asks, what bad looks like and its
unit; `board.build` alone knows how Grafana wants all of it.
"""
