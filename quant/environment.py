"""What stands between us and torch: one place to say what to install, and to keep other people's chatter down."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator

from ..errors import UserError

__all__ = ["quiet", "require"]


def require(*packages: str) -> None:
    """Raise ``UserError`` unless all ``packages`` of the extra ``[train]`` are there; imports none of them."""
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    if absent:
        raise UserError(
            f"training needs {' and '.join(absent)}, not installed here", remedy="pip install 'gatewright[train]'"
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, prints and log lines below errors of the libraries called inside; exceptions pass."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        nowhere = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
