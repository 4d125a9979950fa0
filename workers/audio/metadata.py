"""TEMP"""
from dataclasses import dataclass
@dataclass
class FileTags:
    title: str|None=None; artist: str|None=None; album: str|None=None; genres: tuple=(); year: int|None=None; isrc: str|None=None
def file_tags(file): return FileTags()
