"""What a target is: device families, and what a design costs on one, counted by synthesis.

``family`` says what Yosys needs to know of a family, ``synthesis`` runs it. Imports of ours: ``errors`` only, so far.
"""
