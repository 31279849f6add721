"""Settings for all tests. Nothing here imports torch or the compiler: each folder's conftest does that."""

import os

from hypothesis import HealthCheck, settings

# Amaranth must not look for a Yosys of the system's.
os.environ["AMARANTH_USE_YOSYS"] = "builtin"

# Derandomised: a run says the same thing twice. Machines are noisy, so nothing is timed.
settings.register_profile("gatewright", deadline=None, derandomize=True, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.load_profile("gatewright")
