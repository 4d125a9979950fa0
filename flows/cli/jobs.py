"""Jobs as the command line runs them: directly, or recorded by Prefect."""

from collections.abc import Callable
from typing import Any, TypeVar

from schemas.settings import Settings

Result = TypeVar("Result")


def run_job(name: str, job: Callable[[], Result], parameters: dict[str, Any], settings: Settings) -> Result:
    """Run a job. Prefect records it under its name if PREFECT_API_URL names a server.

    If infra/prefect.yaml deploys a flow of that name, this flow runs instead, with the parameters: it records the
    steps too, and gives the same result. Without a server Prefect would start a temporary one: 12 s for nothing.
    """
    if not settings.prefect_api_url:
        return job()
    from flows.deployments import record_job

    result: Result = record_job(name, job, {"lake": settings.lake} | parameters)
    return result
