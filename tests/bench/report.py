"""What a benchmark prints: one JSON object a line."""

import json
import sys
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `target` is compared in the direction that is `better`; `ok` is None without a target."""

    bench: str
    metric: str
    value: float
    unit: str
    baseline: float | None = None
    target: float | None = None
    better: Better = "higher"
    detail: str = ""

    def print(self) -> None:
        """Write the figure to stdout."""
        ratio = self.value / self.baseline if self.baseline else None
        judged = ratio if self.unit == "ratio" and ratio is not None else self.value
        ok = None
        if self.target is not None:
            ok = judged >= self.target if self.better == "higher" else judged <= self.target
        line = {
            "bench": self.bench,
            "metric": self.metric,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(ratio),
            "target": self.target,
            "ok": ok,
        }
        if self.detail:
            line["detail"] = self.detail
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def work(bench: str, **said: object) -> None:
    """Say on stderr what a benchmark does, its seed included."""
    sys.stderr.write(f"# {bench}: {', '.join(f'{name}={value}' for name, value in said.items())}\n")
    sys.stderr.flush()


def percentile(values: list[float], share: float) -> float:
    """The value below which a share (0 to 1) of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
