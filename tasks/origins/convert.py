"""From an origin's own format to rows, one converter per format.

A converter gets the files by the card's paths and returns raw rows by split:
"train", "test" and, for mentions, "test_noentity".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.origins import filings, hallmarks, iob, pairs, questions, reviews, tables

RawRow = dict[str, Any]
Splits = dict[str, list[RawRow]]
Converter = Callable[[Mapping[str, Path], str, Mapping[str, Any]], Splits]

CONVERTERS: Mapping[str, Converter] = {
    "iob": iob.convert,
    "ddi": pairs.convert_ddi,
    "chemprot": pairs.convert_chemprot,
    "bioasq": questions.convert_bioasq,
    "pubmedqa": questions.convert_pubmedqa,
    "medmcqa": questions.convert_medmcqa,
    "finqa": filings.convert_finqa,
    "hoc": hallmarks.convert,
    "psytar": reviews.convert_psytar,
    "medical_drugs": reviews.convert_medical_drugs,
    "table": tables.convert,
}
