"""Holds the coverage: all branches where a mistake would lose data or let somebody in."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

TOTAL_PERCENT_MIN = 90
COMPLETE = (
    "engines/sql/gate.py",
    "stores/outbox.py",
    "stores/leases.py",
    "gateway/retry.py",
    "gateway/breaker.py",
    "stores/scope.py",
    "stores/tenants.py",
    "stores/api_keys.py",
    "stores/row_security.py",
    "stores/visibility.py",
    "services/identities.py",
    "transport/auth.py",
    "transport/guard.py",
    "transport/jwks.py",
    "transport/scopes.py",
    "transport/tokens.py",
    "domain/caller.py",
    "domain/tenant.py",
    "domain/budget.py",
    "services/budgets.py",
    "services/quotas.py",
    "stores/costs.py",
    "domain/cron.py",
    "domain/job_flow.py",
)


def main() -> int:
    """Print what is missing; 0 when the gates hold."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run(
            [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)], check=True
        )
        measured = json.loads(report.read_text())
    failures = []
    for wanted in COMPLETE:
        found = [f for name, f in measured["files"].items() if name.endswith(wanted)]
        if not found or found[0]["summary"]["percent_covered"] < 100:
            missing = found[0]["missing_lines"] if found else "not measured"
            branches = found[0].get("missing_branches", []) if found else []
            failures.append(f"{wanted}: lines {missing}, branches {branches}")
    total = measured["totals"]["percent_covered"]
    print(f"coverage: {total:.1f} % of lines and branches")
    if total < TOTAL_PERCENT_MIN:
        failures.append(f"total: {total:.1f} % is under {TOTAL_PERCENT_MIN} %")
    for failure in failures:
        print(f"coverage gate: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
