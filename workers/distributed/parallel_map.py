"""A parallel map on Ray whose results come in the order of the jobs."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

# Imported first: it sets variables that Ray reads when it is imported.
from workers.distributed.cluster import start_ray

# isort: split
import ray

from schemas.settings import Settings

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Shared, Job], Result], shared: Shared, jobs: list[Job], settings: Settings
) -> Iterator[Result]:
    """Yield `work(shared, job)` of every job, in the order of the jobs.

    Each job runs on one core. The first error of a job is raised and ends the map.
    """
    start_ray(settings)
    task = ray.remote(num_cpus=1)(work)
    shared_reference = ray.put(shared)
    results = deque(task.remote(shared_reference, job) for job in jobs)
    while results:
        yield ray.get(results.popleft())  # dropping the reference lets the object store free the result
