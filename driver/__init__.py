"""The host's end of a board: frames in, answers out, over a serial port.

``Board`` is what users meet. It needs a build's ``design.json``, NumPy and pyserial, and neither compiler nor hardware
tools. ``docs/link.md`` has the protocol.
"""
