"""The unit library: streaming Amaranth components, one unit a file, each with the schedule that it keeps.

Usable alone by any Amaranth designer: components are built from plain integers and NumPy arrays.
"""
