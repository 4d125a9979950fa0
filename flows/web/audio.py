"""/audio/TRACK: the audio of a track."""

from fastapi import APIRouter

router = APIRouter()
