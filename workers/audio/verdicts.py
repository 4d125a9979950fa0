"""TEMP"""
class Rejected(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message); self.reason = reason; self.message = message
