"""/api/v1/uploads: audio files to search by."""

from fastapi import APIRouter

router = APIRouter()
