"""Runs the PySpark programs in `programs/` against a Spark Connect server and compares outcomes. See README.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import comparison
import runner

HERE = Path(__file__).resolve().parent


def run(arguments: list[str]) -> int:
    """Runs programs and writes their outcomes."""
    parser = argparse.ArgumentParser(prog="harness.py", description=run.__doc__)
    parser.add_argument("--remote", required=True, metavar="URL", help="the server: sc://host:port")
    parser.add_argument("--programs", type=Path, default=HERE / "programs", metavar="DIR")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="programs (area/name) or whole areas")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="default: standard output")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="of a program (default 60)")
    options = parser.parse_args(arguments)

    names = runner.find_programs(options.programs, options.only)
    results: dict[str, comparison.Outcomes] = {}
    programs = runner.Runner(options.remote, options.programs, options.time_limit)
    try:
        for number, name in enumerate(names, start=1):
            results[name] = programs.run(name)
            last = results[name][-1] if results[name] else {}
            error = f"  {last['error']['class']}" if "error" in last else ""
            print(f"[{number}/{len(names)}] {name}{error}", file=sys.stderr)
    finally:
        programs.close()
    text = comparison.text_of(results)
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text, encoding="utf-8")
    return 0


def compare(arguments: list[str]) -> int:
    """Compares outcomes with expected ones; fails if a program that is listed as passing does not pass."""
    parser = argparse.ArgumentParser(prog="harness.py compare", description=compare.__doc__)
    parser.add_argument("--expected", type=Path, default=HERE / "expected.json", metavar="FILE")
    parser.add_argument("--actual", type=Path, required=True, metavar="FILE")
    parser.add_argument("--passing", type=Path, default=HERE / "passing.txt", metavar="FILE")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="programs (area/name) or whole areas")
    parser.add_argument("--update-passing", action="store_true", help="write the list instead of holding to it")
    options = parser.parse_args(arguments)

    expected = comparison.read(options.expected)
    actual = comparison.read(options.actual)
    names = runner.select(sorted(expected), options.only)
    differences = {name: comparison.first_difference(expected[name], actual.get(name)) for name in names}
    print(comparison.report(differences))

    listed = comparison.read_passing(options.passing)
    passed = {name for name, difference in differences.items() if difference is None}
    if options.update_passing:
        # What was not compared stays as it was; what Spark was not asked about cannot pass.
        kept = (listed & expected.keys()) - differences.keys()
        comparison.write_passing(options.passing, kept | passed)
        return 0
    broken = sorted((listed & differences.keys()) - passed)
    for name in broken:
        print(f"{options.passing.name} lists {name}, which fails", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    command = sys.argv[1:]
    sys.exit(compare(command[1:]) if command[:1] == ["compare"] else run(command))
