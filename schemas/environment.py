"""Defaults of the environment variables of libraries. Import this module before those libraries.

A value that the user set stays. Processes that this one starts inherit them.
"""

import os

DEFAULTS = {
    # Ray: no telemetry, and none of its lines about dead workers on standard output.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    # A report of a training waits for the controller's next look: every 2 s by default, longer than our epochs.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    # Prefect: no telemetry. Its page shows a failed task; the console shows one line of advice.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Lance prints a deprecation warning without it.
    "LANCE_INCLUDE_VECTOR_CENTROIDS": "false",
}

for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)
