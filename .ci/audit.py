"""Ask pip-audit for known vulnerabilities of everything that is pinned, for all Pythons at once.

Usage: python .ci/audit.py CONSTRAINTS [NAME …]   with names only those packages are asked about.
Exit code 1 if there is a vulnerability, 0 otherwise, also if nobody could be asked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def pins(constraints: str, names: list[str]) -> list[list[str]]:
    """Return the pinned versions without their markers, in lists none of which has a package twice."""
    lists: list[dict[str, str]] = []
    for line in constraints.splitlines():
        pin = line.partition(";")[0].strip()
        name = pin.partition("==")[0]
        if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", pin) or (names and name not in names):
            continue
        room = next((each for each in lists if name not in each), None)
        if room is None:
            lists.append(room := {})
        if pin not in (each.get(name) for each in lists):
            room[name] = pin
    return [list(each.values()) for each in lists]


def ask(wanted: list[str], folder: Path) -> tuple[list[str], int, str]:
    """Return what is known against these versions, one line each, how many were answered for, and why not all."""
    requirements, answer = folder / "requirements.txt", folder / "answer.json"
    requirements.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip"]
    options = ["--progress-spinner", "off", "--format", "json", "--output", str(answer)]
    run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
    if not answer.exists():
        return [], 0, (run.stderr.strip().splitlines() or [f"pip-audit ended with {run.returncode}"])[-1][:200]
    packages = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    return found, len(packages) - len(skipped), "; ".join(skipped[:1])


def main() -> int:
    """Ask, and say what was found."""
    file, *names = sys.argv[1:]
    wanted = pins(Path(file).read_text(encoding="utf-8"), names)
    with tempfile.TemporaryDirectory() as folder:
        answers = [ask(each, Path(folder)) for each in wanted]
    found = [line for lines, _, _ in answers for line in lines]
    for line in found:
        print(line)
    asked, answered = sum(map(len, wanted)), sum(n for _, n, _ in answers)
    why = next((f" ({reason})" for _, _, reason in answers if reason), "")
    print(f"audit: {len(found)} known vulnerabilities; {answered} of {asked} pinned versions could be asked about{why}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
