"""Would the tests notice? Named lines of the scoring are broken, one at a time, in a copy.

For each mutation below the packages are copied to a temporary folder, one line is
changed, and the tests of the scoring are run there until the first failure. A
mutation that no test notices is a hole in the tests. Prints a table; exits with 1
if one survived. No part of `make test`: each row runs the tests anew.

    python -m benchmarks.mutation            # all
    python -m benchmarks.mutation macro aggregation    # those whose name or file holds a word
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = {
    "metrics": "tests/tasks/test_metrics.py",
    "aggregation": "tests/tasks/test_aggregation.py",
    "mentions": "tests/tasks/test_mentions.py",
    "overlap": "tests/tasks/test_overlap.py",
    "parsing": "tests/tasks/test_parsing.py",
}


@dataclass(frozen=True)
class Mutation:
    """One line of `tasks/<file>.py` and what it is broken to."""

    name: str
    file: str
    line: str
    broken: str


MUTATIONS = (
    Mutation(
        "an unparseable label counts as the first label",
        "metrics",
        "predicted = -1 if parsed is None else labels.index(parsed)",
        "predicted = 0 if parsed is None else labels.index(parsed)",
    ),
    Mutation(
        "the worst label is ranked first",
        "metrics",
        "predicted = -1 if broken else scores.index(max(scores))",
        "predicted = -1 if broken else scores.index(min(scores))",
    ),
    Mutation(
        "NaN is not noticed",
        "metrics",
        "broken = any(math.isnan(score) for score in scores)",
        "broken = False",
    ),
    Mutation(
        "a synonym counts again",
        "metrics",
        "named = sum(any(key in names for key in keys) for names in merged)",
        "named = sum(key in names for key in keys for names in merged)",
    ),
    Mutation(
        "groups that share a name stay apart",
        "metrics",
        "merged = [other for other in merged if not other & names]",
        "merged = list(merged)",
    ),
    Mutation(
        "false positives of a label are forgotten",
        "metrics",
        "int(one in predicted - gold), ",
        "0, ",
    ),
    Mutation(
        "the empty gold answer is a label",
        "metrics",
        'return [] if targets == ["None"] else targets',
        "return targets",
    ),
    Mutation(
        "only the first accepted answer is accepted",
        "metrics",
        "in {squad_normalise(one) for one in accepted}",
        "in {squad_normalise(one) for one in accepted[:1]}",
    ),
    Mutation(
        "nothing found where nothing is scores 0",
        "aggregation",
        "return found / all_counts if all_counts else 1.0",
        "return found / all_counts if all_counts else 0.0",
    ),
    Mutation(
        "macro-F1 over predicted labels too",
        "aggregation",
        "for label in sorted({gold for gold, _ in pairs}):",
        "for label in sorted({one for pair in pairs for one in pair}):",
    ),
    Mutation(
        "absent labels pull macro-F1 up",
        "aggregation",
        "scores = [f1(*label_counts) for label_counts in counts if any(label_counts)]",
        "scores = [f1(*label_counts) for label_counts in counts]",
    ),
    Mutation(
        "a mention counts once however often it occurs",
        "mentions",
        "tp = sum((_counter(gold) & _counter(predicted)).values())",
        "tp = len(_counter(gold) & _counter(predicted))",
    ),
    Mutation(
        "a relaxed match ignores the type",
        "mentions",
        "if type_key == other_key and words & other_words:",
        "if words & other_words:",
    ),
    Mutation(
        "one gold mention is matched again and again",
        "mentions",
        "                del left[place]\n",
        "",
    ),
    Mutation(
        "words count once in token F1",
        "overlap",
        "shared = sum((Counter(ours) & Counter(theirs)).values())",
        "shared = len(Counter(ours) & Counter(theirs))",
    ),
    Mutation(
        "ROUGE-L without stems",
        "overlap",
        'return RougeScorer(["rougeL"], use_stemmer=True)',
        'return RougeScorer(["rougeL"], use_stemmer=False)',
    ),
    Mutation(
        "an answer naming two labels names one",
        "parsing",
        "return next(iter(named)) if named is not None and len(named) == 1 else None",
        "return next(iter(named)) if named else None",
    ),
    Mutation(
        "a denied label is named",
        "parsing",
        "            if _DENIED_BEFORE.search(answer[max(0, start - 80) : start]):\n"
        "                return None\n",
        "",
    ),
    Mutation(
        '"no" before a noun is the label',
        "parsing",
        'if match[0] == "no" and _is_determiner(answer, start, end):',
        "if False:",
    ),
    Mutation(
        "labels are found inside words",
        "parsing",
        r"(?<!\w)(?<!\w-)(?:{'|'.join(written)})(?!\w|-\w)",
        "(?:{'|'.join(written)})",
    ),
    Mutation(
        "a short label hides a longer one",
        "parsing",
        "for key in sorted(by_key, key=len, reverse=True)",
        "for key in sorted(by_key, key=len)",
    ),
    Mutation(
        '"None" beside a label is the label',
        "parsing",
        "return None if named else frozenset()",
        "return named",
    ),
)


def main() -> int:
    """Try the mutations asked for; 0 if every one was noticed."""
    words = sys.argv[1:] or [""]
    chosen = [m for m in MUTATIONS if any(word in f"{m.file} {m.name}" for word in words)]
    survived = 0
    print("| broken | file | noticed by |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("harness", "tasks", "tests"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", copy)
        for mutation in chosen:
            noticed = noticed_by(mutation, copy)
            survived += not noticed
            print(
                f"| {mutation.name} | {mutation.file}.py | {noticed or '**nothing**'} |", flush=True
            )
    print(f"\n{len(chosen) - survived} of {len(chosen)} mutations noticed.")
    return 1 if survived else 0


def noticed_by(mutation: Mutation, copy: Path) -> str:
    """The first test that fails with the mutation, "" if none does; the copy is mended after.

    Raises:
        SystemExit: the line is not in the file exactly once.
    """
    path = copy / "tasks" / f"{mutation.file}.py"
    right = path.read_text(encoding="utf-8")
    if right.count(mutation.line) != 1:
        raise SystemExit(
            f"{mutation.name}: tasks/{mutation.file}.py has the line "
            f"{right.count(mutation.line)} times, expected once; bring the mutation up to date."
        )
    path.write_text(right.replace(mutation.line, mutation.broken), encoding="utf-8")
    # The file's own tests, then, if they hold, those of all that is scored through it.
    own = TESTS[mutation.file]
    noticed = ""
    for tests in ([own], [test for test in TESTS.values() if test != own]):
        noticed = noticed or first_failure(tests, copy)
    path.write_text(right, encoding="utf-8")
    return noticed


def first_failure(tests: list[str], copy: Path) -> str:
    """The first of the tests that fails in the copy, "" if none does.

    Raises:
        SystemExit: they cannot run.
    """
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-rf", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *tests], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests cannot run:\n{done.stdout}{done.stderr}")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0].split()[1].partition("::")[2].partition("[")[0] if failed else ""


if __name__ == "__main__":
    sys.exit(main())
