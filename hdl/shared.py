"""Equal components, elaborated once: Amaranth makes a module of each, synthesis tools and simulators want one."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["add_equal"]


def add_equal(m: Module, platform, make: Callable[[], wiring.Component], count: int, *, name: str) -> list:
    """Add ``count`` equal components as submodules ``NAME0``, ``NAME1`` and so on; returns their ports.

    The platform may offer ``shared_module(name, component)``, which returns the name of a component's Verilog module;
    there are then instances of it. Without it, ``make`` makes each component, which Amaranth's simulator runs.
    """
    shared_module = getattr(platform, "shared_module", None)
    if shared_module is None:
        components = [make() for _ in range(count)]
        for number, component in enumerate(components):
            m.submodules[f"{name}{number}"] = component
        return components
    component = make()
    module, interfaces = shared_module(name, component), []
    for number in range(count):
        interface = component.signature.create(path=(f"{name}{number}",))
        joined = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in component.signature.flatten(interface):
            joined[f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}"] = value
        m.submodules[f"{name}{number}"] = Instance(module, **joined)
        interfaces.append(interface)
    return interfaces
