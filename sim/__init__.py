"""Software simulators: golden integer operators, the cycle-exact dataflow engine, the Verilator runner, cocotb benches.

Imports of ours point down only: ``hdl.schedule`` (plain dataclasses) and ``errors``.
"""
