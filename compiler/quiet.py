"""Keep third-party warnings and logs out of our users' terminals and tests; errors still come as exceptions."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]

FATAL, WARNING = 4, 2  # onnxruntime's severities; the second is its default, which cannot be asked for


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings and onnxruntime's log lines in this block. What it cannot do it raises anyway."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(FATAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        onnxruntime.set_default_logger_severity(WARNING)
