"""/api/v1/map: the map of the catalogue."""

from fastapi import APIRouter

router = APIRouter()
