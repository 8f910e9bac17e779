"""The table of docs/suites.md: feature -> equal, put right, or refused; made from the tests."""

from __future__ import annotations

from collections.abc import Sequence

from tests.parity.features import FEATURES, Feature


def table(features: Sequence[Feature]) -> str:
    """A Markdown table, a line a feature."""
    lines = ["| feature | tasks | keys | |", "| :--- | :--- | :--- | :--- |"]
    for feature in features:
        keys = ", ".join(f"`{key}`" for key in feature.keys) or "–"
        verdict = "equal"
        if feature.corrected:
            verdict = f"put right: `{feature.corrected}`"
        elif feature.refused:
            verdict = f"refused: “{feature.refused}”"
        lines.append(
            f"| {feature.name} | {feature.kinds.replace(' ', ', ')} | {keys} | {verdict} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(FEATURES))
