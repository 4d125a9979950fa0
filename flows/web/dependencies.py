"""What the routers are given: settings, rules, the readers."""

from typing import Annotated

from fastapi import Depends, Request

from flows.web.readers import Readers
from flows.web.reports import Reports
from flows.web.rules import ServeRules
from flows.web.selections import Selections
from schemas.settings import Settings


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _rules(request: Request) -> ServeRules:
    rules: ServeRules = request.app.state.rules
    return rules


def _readers(request: Request) -> Readers:
    readers: Readers = request.app.state.readers
    return readers


def _selections(request: Request) -> Selections:
    selections: Selections = request.app.state.selections
    return selections


def _reports(request: Request) -> Reports:
    reports: Reports = request.app.state.reports
    return reports


ReportsOf = Annotated[Reports, Depends(_reports)]
SelectionsOf = Annotated[Selections, Depends(_selections)]
SettingsOf = Annotated[Settings, Depends(_settings)]
RulesOf = Annotated[ServeRules, Depends(_rules)]
ReadersOf = Annotated[Readers, Depends(_readers)]
