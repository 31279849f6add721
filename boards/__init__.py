"""What a target is: device families, and what a design costs on one, counted by synthesis or estimated.

``family`` says what Yosys needs to know of a family, ``synthesis`` runs it. ``device`` holds what FPGAs have, ``cost``
estimates what units take, from their ``features`` and ``memory``. Imports of ours: ``errors`` and ``hdl``.
"""
