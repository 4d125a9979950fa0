"""/peaks/TRACK: the waveform of a track."""

from fastapi import APIRouter

router = APIRouter()
