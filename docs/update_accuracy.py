"""Put what the scripts print into accuracy.md: `python docs/update_accuracy.py [WORD]`, only blocks whose command holds WORD if one is given.

A block stands between `<!-- run: COMMAND -->` and `<!-- end -->`. Where a command cannot run (data that are not part of the project), its block stays.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "accuracy.md"
BLOCK = re.compile(r"<!-- run: (?P<command>[^>]+?) -->\n.*?<!-- end -->", re.DOTALL)
TRACEBACK = "Traceback"


def main() -> None:
    """Run every command and rewrite the page."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    PAGE.write_text(BLOCK.sub(lambda match: block(match, word), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def block(match: re.Match[str], word: str) -> str:
    """One block with fresh text, or as it was."""
    command = match["command"]
    if word not in command:
        return match[0]
    arguments = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=PAGE.parent.parent, check=False)  # noqa: S603 - commands of the page itself
    if TRACEBACK in done.stderr or not done.stdout.strip():
        sys.stderr.write(f"{command}: could not be run; its block stays as it was\n")
        return match[0]
    lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    text = "\n".join(lines).strip("\n")
    if "-m reirrad" in command:
        text = f"```text\n{text}\n```"
    return f"<!-- run: {command} -->\n\n{text}\n\n<!-- end -->"


if __name__ == "__main__":
    main()
