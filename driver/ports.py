"""Serial ports: opened for one program alone, with one clear line for each way in which that can fail."""

from __future__ import annotations

import errno

import serial
from serial.tools import list_ports

from ..errors import UserError

__all__ = ["open_port", "port_names"]

# How long a read waits for the first byte, in seconds.
_READ = 0.002


def port_names() -> list[str]:
    """The serial ports that this machine has, by name."""
    return sorted(port.device for port in list_ports.comports())


def open_port(name: str, baud: int, *, patience: float) -> serial.Serial:
    """Open a port, 8N1, without flow control; a write that takes longer than ``patience`` seconds fails.

    Raises
    ------
    UserError
        If there is no such port, somebody else has it, it may not be used, or it does not make the rate.
    """
    try:
        port = serial.Serial(name, baud, timeout=_READ, write_timeout=patience, exclusive=True)
    except (serial.SerialException, ValueError, OSError) as error:
        raise _refused(name, baud, error) from None
    port.reset_input_buffer()
    return port


def _refused(name: str, baud: int, error: Exception) -> UserError:
    number = getattr(error, "errno", None)
    text = str(error)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "FileNotFoundError" in text:
        names = port_names()
        there = f"there are {', '.join(names)}" if names else "this machine has none; is the board plugged in?"
        return UserError("no such serial port", where=name, remedy=there)
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in text:
        return UserError("the port is busy: another program has it open", where=name,
                         remedy="end that program (a terminal, another gatewright run) and try again")
    if number in (errno.EACCES, errno.EPERM) or "PermissionError" in text:
        return UserError("you may not use this port", where=name,
                         remedy="join the group that owns it (often 'sudo usermod -aG dialout $USER', then log in "
                                "again), or end the program that has it open")
    if "Inappropriate ioctl" in text or number in (errno.ENOTTY, errno.EISDIR, errno.EINVAL):
        return UserError(f"is no serial port, or does not make {baud} baud", where=name,
                         remedy="name a serial port, or another --baud")
    return UserError(f"cannot be opened: {text}", where=name)
