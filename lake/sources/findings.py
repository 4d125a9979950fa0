"""The findings about one source, as they are collected while it is read."""

import json
from collections import Counter
from typing import Any

from schemas.errors import ManifestError, NotAllowed
from schemas.manifests import FINDING_KINDS, ManifestFinding
from schemas.redaction import redact

MAX_KEPT = 10_000  # of each kind; the others are counted
_MAX_VALUE_CHARACTERS = 120


class ManifestFindings:
    """Counts the findings about one manifest, and keeps the first of each kind."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.kept: list[ManifestFinding] = []
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, line: int | None, column: str | None, value: object, understood: str) -> None:
        """Add a finding of a kind of FINDING_KINDS. Whoever shows it hides the secrets in it: that takes time."""
        self.counts[kind] += 1
        if self.counts[kind] <= MAX_KEPT:
            text = None if value is None else str(value)
            if text and len(text) > _MAX_VALUE_CHARACTERS:  # half a secret would not be recognized
                text = redact(text)[:_MAX_VALUE_CHARACTERS]
            self.kept.append(ManifestFinding(line, column, kind, text, understood))

    @property
    def stopping(self) -> int:
        """The number of findings that stop a run."""
        return sum(count for kind, count in self.counts.items() if FINDING_KINDS[kind])

    @property
    def warnings(self) -> int:
        """The number of findings that do not stop a run."""
        return self.counts.total() - self.stopping

    def require_none_stops(self) -> None:
        """Raise ManifestError, or NotAllowed, with the first finding that stops a run."""
        first = next((finding for finding in self.kept if finding.stops), None)
        if first is None:
            return
        line = f"{self.source}: {first.text}"
        if self.stopping > 1:
            line += f". `tonelake check {self.source}` lists this and {self.stopping - 1:,} more that would stop a run"
        raise (NotAllowed if first.kind == "not_allowed" else ManifestError)(line)

    def warning_lines(self) -> list[str]:
        """Return a line for each kind of warning: the first, and the number of others."""
        first: dict[str, ManifestFinding] = {}
        for finding in self.kept:
            if not finding.stops:
                first.setdefault(finding.kind, finding)
        lines = []
        for kind, finding in first.items():
            others = self.counts[kind] - 1
            more = f" (and {others:,} more: `tonelake check {self.source}` lists them)" if others else ""
            lines.append(redact(f"{self.source}: {finding.text}{more}"))
        return lines

    def to_json(self) -> list[dict[str, Any]]:
        """Return the findings as objects, without secrets.

        For a kind that was not kept in full, one more says how many are left.
        """
        rest = [
            ManifestFinding(None, None, kind, None, f"{count - MAX_KEPT:,} more findings of this kind")
            for kind, count in self.counts.items()
            if count > MAX_KEPT
        ]
        objects = [finding.to_json(self.source) for finding in (*self.kept, *rest)]
        without_secrets: list[dict[str, Any]] = json.loads(redact(json.dumps(objects)))
        return without_secrets
