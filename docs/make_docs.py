"""Render the tables of hazards and warnings: `python docs/make_docs.py` writes hazards.md and warnings.md beside this file.

What they say is in hazards.toml and warnings.toml; which tests prove a control is read from the tests, and which codes exist from the package,
without running either. The same input always gives the same text.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
STATES = {"controlled": "controlled", "partly": "partly controlled", "later": "later"}
# Data that is not part of the project: a test that asks for it is skipped where it is not there.
OUTSIDE = {"reference_data", "reference_cases"}


@dataclass(frozen=True, order=True)
class Proof:
    """A test that carries the marker of a hazard; `always` when it runs wherever the project does."""

    test: str
    hazard: str
    always: bool


def main() -> None:
    """Write both tables."""
    for name, text in rendered().items():
        (DOCS / name).write_text(text, encoding="utf-8")


def rendered() -> dict[str, str]:
    """Text of each table by file name."""
    hazards = tomllib.loads((DOCS / "hazards.toml").read_text(encoding="utf-8"))["hazard"]
    warnings = tomllib.loads((DOCS / "warnings.toml").read_text(encoding="utf-8"))
    return {"hazards.md": hazards_text(hazards, proofs(ROOT / "tests")), "warnings.md": warnings_text(warnings)}


def proofs(folder: Path) -> list[Proof]:
    """Tests marked with `pytest.mark.hazard`, by reading the files `test_*.py` of a folder.

    Raises
    ------
    ValueError
        For a marker that does not stand above a test, on a class of tests, in `pytestmark` or in a `pytest.param` of a decorator, or that names
        no hazard in plain text: a marker nobody counts would prove nothing.
    """
    return sorted({proof for path in sorted(folder.glob("test_*.py")) for proof in proofs_in(path.name, path.read_text(encoding="utf-8"))})


def proofs_in(file: str, source: str) -> Iterator[Proof]:
    """Proofs in one file of tests."""
    tree = ast.parse(source)
    counted: list[ast.Call] = []

    def of(expressions: list[ast.expr]) -> list[str]:
        markers = [call for e in expressions for call in _markers(e)]
        counted.extend(markers)
        return [_text(argument, file) for m in markers for argument in m.args]

    def tests(body: list[ast.stmt], prefix: str, outer: list[str], skipped: bool) -> Iterator[Proof]:
        named = [s.value for s in body if isinstance(s, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in s.targets)]
        above, may_skip = outer + of(named), skipped or _may_skip(named)
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                marked = above + of(node.decorator_list)
                yield from tests(node.body, f"{prefix}{node.name}::", marked, may_skip or _may_skip(node.decorator_list))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                asked = {a.arg for a in node.args.args}
                always = not (may_skip or asked & OUTSIDE or _may_skip(node.decorator_list))
                for hazard in sorted({*above, *of(node.decorator_list)}):
                    yield Proof(f"{file}::{prefix}{node.name}", hazard, always)

    found = list(tests(tree.body, "", [], False))
    stray = [call.lineno for call in _markers(tree) if call not in counted]
    if stray:
        raise ValueError(f"tests/{file}: the hazard marker in line {stray[0]} does not belong to a test")
    yield from found


def _markers(tree: ast.AST) -> list[ast.Call]:
    """Calls `...mark.hazard(...)` below a node."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "hazard" and ast.unparse(c.func.value).endswith("mark")]


def _text(node: ast.expr, file: str) -> str:
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        raise ValueError(f"tests/{file}: the hazard marker in line {node.lineno} needs the id of a hazard as plain text")
    return node.value


def _may_skip(expressions: list[ast.expr]) -> bool:
    """Whether decorators skip a test, or expect it to fail."""
    names = {n.attr for e in expressions for n in ast.walk(e) if isinstance(n, ast.Attribute)}
    return bool(names & {"skip", "skipif", "xfail"})


def warning_codes(package: Path) -> dict[str, set[str]]:
    """Codes of notices, each with the files that give it, by reading a package.

    Raises
    ------
    ValueError
        For a code that is not written out where the notice is made.
    """
    codes: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        for code in codes_in(path.read_text(encoding="utf-8"), path.name):
            codes.setdefault(code, set()).add(path.relative_to(package).as_posix())
    return codes


def codes_in(source: str, file: str) -> Iterator[str]:
    """Codes in one file: first argument of `Notice(...)`, or of a `note(...)` that makes one of its parameter `code`; copies of other notices do not count."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name not in ("Notice", "note"):
            continue
        code = next((k.value for k in node.keywords if k.arg == "code"), node.args[0] if node.args else None)
        if code is None or ast.unparse(code) == "code" or (isinstance(code, ast.Attribute) and code.attr == "code"):
            continue
        for value in (code.body, code.orelse) if isinstance(code, ast.IfExp) else (code,):
            if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
                raise ValueError(f"{file}:{node.lineno}: the code of a notice must be written out")
            yield value.value


def hazards_text(hazards: list[dict[str, Any]], found: list[Proof]) -> str:
    """Return the table of hazards."""
    counts = {state: sum(h["state"] == state for h in hazards) for state in STATES}
    lines = [
        "# Hazards",
        "",
        "What can go wrong when doses are added up by computer, what this version does about it, and the tests that prove it; after the scheme of ISO 14971.",
        "",
        "**Risk** is severity (1 to 5, 5 is severe harm or death) times probability (1 to 5), before any control, for software of this kind.",
        "Controls, strongest first: *design* (it cannot happen), *protective* (it is found, and refused or flagged), *information* (it is told).",
        "**State**: *controlled*; *partly controlled*, with what is missing; *later*, for what belongs to something this version does not have.",
        "",
        f"{len(hazards)} hazards: {counts['controlled']} controlled, {counts['partly']} partly, {counts['later']} later. "
        f"{len({p.test for p in found})} tests prove the controls; each carries the marker `hazard`, and a test fails when a control has none.",
        "",
        "This file is made by `python docs/make_docs.py` from hazards.toml and the tests.",
    ]
    for group in dict.fromkeys(h["group"] for h in hazards):
        mine = [h for h in hazards if h["group"] == group]
        lines += ["", f"## {group.capitalize()}", "", "| Hazard | Risk | State | Control |", "|---|---|---|---|"]
        for h in mine:
            risk = f"{h['severity']} × {h['probability']} = **{h['severity'] * h['probability']}**"
            number = f"[{h['id']}](#{h['id'].lower()})" if any(p.hazard == h["id"] for p in found) else h["id"]
            title = f"**{number}** {h['title']}" + (f" ({h['source']})" if "source" in h else "")
            what = [f"*{', '.join(h['kind'])}*: {h['control']}"] if "control" in h else []
            what += [f"Not yet: {h['not_yet']}"] if "not_yet" in h else []
            lines.append(f"| {_cell(title)} | {risk} | {STATES[h['state']]} | {'<br>'.join(_cell(w) for w in what)} |")
    lines += ["", "## Tests that prove the controls"]
    for h in hazards:
        tests = [p.test for p in found if p.hazard == h["id"]]
        if tests:
            lines += ["", f"### {h['id']}", "", h["title"] + ":", "", *(f"- `{test}`" for test in tests)]
    return "\n".join(lines) + "\n"


def warnings_text(data: dict[str, Any]) -> str:
    """Return the table of warnings."""
    warnings: dict[str, dict[str, str]] = data["warning"]
    lines = [
        "# Warnings",
        "",
        "A warning does not stop a calculation: the numbers stand, and the line says under which assumption. The codes are stable; scripts may rely on them.",
        "What cannot be computed safely is not warned about but refused (exit status 2).",
        "",
        "Three kinds deserve a look before anything else: those that say that **dose is missing** (`dose_grid_truncates_structure`, `plan_without_dose`,",
        "`plan_not_in_phases`), that a **position was taken on trust** (`registration_identity`, `same_frame_other_ct`), and that **an organ was not checked**",
        "(`structure_unmatched`, `organ_not_contoured`, `limit_without_structure`).",
        "",
        "This file is made by `python docs/make_docs.py` from warnings.toml.",
    ]
    for group, title in data["groups"].items():
        lines += ["", f"## {title}", "", "| Code | What was found, what was done | What to do |", "|---|---|---|"]
        lines += [f"| `{code}` | {_cell(w['when'])} | {_cell(w['do'])} |" for code, w in warnings.items() if w["group"] == group]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text of a table cell: one line, without bars."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
