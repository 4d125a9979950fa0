"""What the routers are given: settings, rules, the readers."""

from typing import Annotated, Any

from fastapi import Depends, Request

from flows.web.readers import Readers
from flows.web.reports import Reports
from flows.web.rules import ServeRules
from flows.web.selections import Selections
from schemas.settings import Settings


def of_state(name: str) -> Any:
    """Return the dependency on what `app.state` holds by this name."""

    def find(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(find)


ReportsOf = Annotated[Reports, of_state("reports")]
SelectionsOf = Annotated[Selections, of_state("selections")]
SettingsOf = Annotated[Settings, of_state("settings")]
RulesOf = Annotated[ServeRules, of_state("rules")]
ReadersOf = Annotated[Readers, of_state("readers")]
