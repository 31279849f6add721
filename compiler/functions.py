"""Transcendental functions with one answer everywhere.

A processor's or C library's ``exp`` may differ from another's in the last bit. A threshold must not: these use float64
addition, multiplication, division, rounding to integers and scaling by powers of two alone, all of which IEEE 754 fixes
to the bit. Arguments and results are float64; errors stay within a few units of 2^-53, far below the float32 that
:mod:`.float32` rounds them to.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cos", "erf", "exp", "expm1", "gelu", "gelu_tanh", "mish", "sigmoid", "silu", "sin", "softplus",
           "tanh"]

# ln 2 and pi/2 in two parts, the first with trailing zeros: its product with a small integer is exact.
_LN2 = (float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33"))
_HALF_PI = (float.fromhex("0x1.921fb54400000p+0"), float.fromhex("0x1.0b4611a626331p-34"))
_EXP_TERMS, _ODD_TERMS, _ERF_TERMS, _LOG_TERMS = 14, 12, 120, 18


def exp(x: np.ndarray) -> np.ndarray:
    """e^x: x = k ln 2 + r, and the Taylor series of e^r on abs(r) <= ln 2 / 2."""
    x = np.clip(x, -740.0, 700.0)
    k = np.rint(x / _LN2[0])
    return np.ldexp(1 + _exp_series((x - k * _LN2[0]) - k * _LN2[1]), k.astype(np.int64))


def expm1(x: np.ndarray) -> np.ndarray:
    """e^x - 1, without cancellation near 0."""
    return np.where(np.abs(x) < 0.3, _exp_series(np.clip(x, -0.3, 0.3)), exp(x) - 1)


def _exp_series(r: np.ndarray) -> np.ndarray:
    """r + r^2/2! + r^3/3! + …, by Horner's scheme."""
    total = np.zeros_like(r)
    for n in range(_EXP_TERMS, 0, -1):
        total = r / n * (1 + total)
    return total


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    return 1 / (1 + exp(-x))


def tanh(x: np.ndarray) -> np.ndarray:
    """1 - 2 / (e^2x + 1); near 0 by (e^2x - 1) / (e^2x + 1)."""
    twice = 2 * x
    return np.where(np.abs(twice) < 0.3, expm1(twice) / (exp(twice) + 1), 1 - 2 / (exp(twice) + 1))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function by its series of positive terms (NIST DLMF 7.6.2); beyond 6 it is 1 in float64."""
    x = np.clip(x, -6.0, 6.0)
    term = 2 * x / np.sqrt(np.float64(np.pi)) * exp(-x * x)
    total = term
    for n in range(1, _ERF_TERMS):
        term = term * (2 * x * x) / (2 * n + 1)
        total = total + term
    return np.clip(total, -1.0, 1.0)


def gelu(x: np.ndarray) -> np.ndarray:
    """x (1 + erf(x / sqrt 2)) / 2."""
    return 0.5 * x * (1 + erf(x / np.sqrt(np.float64(2))))


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, ONNX's approximate Gelu."""
    return 0.5 * x * (1 + tanh(np.sqrt(2 / np.float64(np.pi)) * (x + 0.044715 * x * x * x)))


def mish(x: np.ndarray) -> np.ndarray:
    """x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^2x + 2 e^x; beyond 25 it is x in float64."""
    e = exp(np.minimum(x, 25.0))
    n = e * e + 2 * e
    return np.where(x > 25, x, x * (n / (n + 2)))


def softplus(x: np.ndarray) -> np.ndarray:
    """ln(1 + e^x) = max(x, 0) + ln(1 + u) with u = e^-abs(x), and ln(1 + u) = 2 artanh(u / (2 + u)) by its series."""
    u = exp(-np.abs(x))
    s = u / (2 + u)  # at most 1/3
    square, total = s * s, np.zeros_like(s)
    for n in range(_LOG_TERMS, -1, -1):
        total = 1 / (2 * n + 1) + square * total
    return np.maximum(x, 0.0) + 2 * s * total


def silu(x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """x sigmoid(alpha x), ONNX's Swish."""
    return x * sigmoid(alpha * x)


def sin(x: np.ndarray) -> np.ndarray:
    """x = k pi/2 + r, and the series of sine or cosine on abs(r) <= pi/4."""
    return _turn(x, 0)


def cos(x: np.ndarray) -> np.ndarray:
    """sin(x + pi/2)."""
    return _turn(x, 1)


def _turn(x: np.ndarray, quarters: int) -> np.ndarray:
    k = np.rint(x / _HALF_PI[0])
    r = (x - k * _HALF_PI[0]) - k * _HALF_PI[1]
    square = r * r
    sine, cosine = np.zeros_like(r), np.zeros_like(r)
    for n in range(_ODD_TERMS, 0, -1):
        sine = -square / (2 * n * (2 * n + 1)) * (1 + sine)
        cosine = -square / (2 * n * (2 * n - 1)) * (1 + cosine)
    sine, cosine = r * (1 + sine), 1 + cosine
    quadrant = np.mod(k + quarters, 4)
    half = np.where(np.mod(quadrant, 2) == 0, sine, cosine)
    return np.where(quadrant < 2, half, -half)
