"""Compares the outcomes of two runs, and keeps the list of programs that are known to pass."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Outcomes = list[dict[str, Any]]

# Of a value in a report: enough to see what differs, not the whole of it.
WIDTH = 300


def read(path: Path) -> dict[str, Outcomes]:
    """The outcomes in a file of `text_of`, by program."""
    return {entry["program"]: entry["outcomes"] for entry in json.loads(path.read_text(encoding="utf-8"))}


def text_of(results: dict[str, Outcomes]) -> str:
    """Outcomes as a JSON array with one program a line."""
    lines = (
        f'{{"program": {_text(program)}, "outcomes": {_text(outcomes)}}}'
        for program, outcomes in sorted(results.items())
    )
    return "[\n" + ",\n".join(lines) + "\n]\n"


def read_passing(path: Path) -> set[str]:
    """The programs listed in `path`, one a line; none if there is no such file."""
    if not path.exists():
        return set()
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def write_passing(path: Path, programs: Iterable[str]) -> None:
    """Writes the list that `read_passing` reads."""
    path.write_text("".join(f"{program}\n" for program in sorted(programs)), encoding="utf-8")


def first_difference(expected: Outcomes, actual: Outcomes | None) -> str | None:
    """Says where `actual` departs from `expected`, or None where it does not."""
    if actual is None:
        return "was not run"
    for position, (wanted, got) in enumerate(zip(expected, actual, strict=False), start=1):
        # Compared as text: Python holds 1 == 1.0 == True.
        if _text(wanted) != _text(got):
            return f"outcome {position}: {_describe(wanted, got)}"
    if len(expected) != len(actual):
        longer, word = (expected, "missing") if len(expected) > len(actual) else (actual, "unexpected")
        return (
            f"outcome {min(len(expected), len(actual)) + 1}: {word} {_short(longer[min(len(expected), len(actual))])}"
        )
    return None


def report(differences: dict[str, str | None]) -> str:
    """A line for each program that fails, and a table of how many pass, by area."""
    lines = [f"FAIL {program}\n     {text}" for program, text in sorted(differences.items()) if text is not None]
    areas: dict[str, list[bool]] = {}
    for program, text in sorted(differences.items()):
        areas.setdefault(program.split("/")[0], []).append(text is None)
    areas["all"] = [text is None for text in differences.values()]
    width = max(len(area) for area in areas)
    lines.append(f"{'area':<{width}}  passed  programs   rate")
    for area, passed in areas.items():
        rate = 100 * sum(passed) / max(1, len(passed))
        lines.append(f"{area:<{width}}  {sum(passed):>6}  {len(passed):>8}  {rate:>4.0f} %")
    return "\n".join(lines)


def _describe(wanted: dict[str, Any], got: dict[str, Any]) -> str:
    if wanted.keys() != got.keys():
        return f"expected {_short(wanted)}, got {_short(got)}"
    for key in wanted:
        if _text(wanted[key]) == _text(got[key]):
            continue
        if key == "rows":
            return _describe_lists("row", wanted[key], got[key])
        if key == "schema":
            return _describe_lists("column", wanted[key]["fields"], got[key]["fields"])
        return f"{key}: expected {_short(wanted[key])}, got {_short(got[key])}"
    return "nothing"


def _describe_lists(word: str, wanted: list[Any], got: list[Any]) -> str:
    if len(wanted) != len(got):
        return f"expected {len(wanted)} {word}s, got {len(got)}: {_short(wanted)}, {_short(got)}"
    for position, (one, other) in enumerate(zip(wanted, got, strict=True), start=1):
        if _text(one) != _text(other):
            return f"{word} {position}: expected {_short(one)}, got {_short(other)}"
    return f"{word}s differ"


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
