"""The Ray cluster of a run: joining or starting it, and the resources to reserve.

Import this module before `ray`, which reads environment variables when it is imported.
"""

import schemas.environment  # noqa: F401 - before Ray

# isort: split
import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import ray
import ray.data

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from workers.distributed.code_version import require_same_code
from workers.encoders.registry import find_by_spec

CONNECT_SECONDS = 10.0
OBJECT_STORE_BYTES = 1 << 30  # of a Ray that is started on this machine


def start_ray(settings: Settings) -> None:
    """Join the cluster at RAY_ADDRESS, or start Ray on this machine.

    A Ray that already runs is kept. Raises UserError if no cluster answers at that address, or if one of its nodes
    runs another version of our code.
    """
    if not ray.is_initialized():
        warnings.filterwarnings("ignore", message="lance is not fork-safe")  # Ray forks only to start programs
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")  # 2.60 has no other way yet
        with _silence_stderr(), _keep_sigterm_handler():
            _init_ray(settings)
    if settings.ray_address:
        require_same_code()
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _init_ray(settings: Settings) -> None:
    if settings.ray_address:
        _require_listener(settings.ray_address)
        ray.init(address=settings.ray_address, log_to_driver=False, logging_level="ERROR")
        return
    ray.init(
        address="local",
        num_cpus=settings.cpus,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )


def _require_listener(address: str) -> None:
    """Raise UserError if nothing listens at the address: Ray itself would retry silently for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise UserError(f"no Ray cluster answers at {address}: start it, or unset RAY_ADDRESS") from error


def reserved_resources(specs: tuple[EncoderSpec, ...], settings: Settings) -> tuple[int, int]:
    """Return the numbers of cores and GPUs that embedding with these encoders reserves."""
    return reserved_cpus(settings), reserved_gpus(specs, settings)


def reserved_cpus(settings: Settings) -> int:
    """Return TONELAKE_CPUS or, if unset, the cores of the cluster.

    The setting makes an autoscaling cluster grow.
    """
    return settings.cpus or max(1, int(ray.cluster_resources().get("CPU", 1)))


def reserved_gpus(specs: tuple[EncoderSpec, ...], settings: Settings) -> int:
    """Return TONELAKE_GPUS or, if unset, the GPUs of the cluster.

    The number is 0 if none of the encoders computes on a GPU. Raises UserError if the setting asks for more GPUs than
    a machine without a cluster has.
    """
    if not any(find_by_spec(spec).on_gpu for spec in specs):
        return 0
    available = int(ray.cluster_resources().get("GPU", 0))
    wanted = settings.gpus
    if wanted and wanted > available and not settings.ray_address:
        raise UserError(f"TONELAKE_GPUS is {wanted} and this machine has {available}: unset it, or set RAY_ADDRESS")
    return available if wanted is None else wanted


@contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM.

    Ray's own handler aborts the process, even in the middle of a commit.
    """
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if callable(handler) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _silence_stderr() -> Iterator[None]:
    """Redirect file descriptor 2: Ray's core prints a greeting to it at any log level."""
    original = os.dup(2)
    try:
        with open(os.devnull, "w") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
