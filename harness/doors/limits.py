"""Every bound on what is handed over, in one table (SECURITY.md lists them).

Each is far above what real files hold and far below what stops a machine. Bounds
are checked before the thing is built: a header's counts before its memory, a
text's nesting before it is parsed.
"""

from __future__ import annotations

# Text formats: JSON, TOML, YAML.
DEPTH = 64  # tables within tables; real files of this project reach 9
YAML_BYTES = 256 * 1024  # a task; the longest of lm-eval's own has 63 kB
YAML_VALUES = 20_000  # with every alias written out
INCLUDES = 32  # files that one task is put together from
CONFIG_BYTES = 16 * 2**20  # config.json and its like; a tokenizer's is told apart
TOML_BYTES = 4 * 2**20

# A record: manifest and summary; rows; facts of the run.
RECORD_BYTES = 16 * 2**20
ITEMS_BYTES = 4 * 2**30
RUN_BYTES = 2**20
WORDS = 4_000  # letters of a title, a source, an id
TEXT = 16 * 2**20  # letters of an input or an answer
KEYS = 100_000  # of one table or list
WHOLE = 10**15  # counts; a float is exact to 2^53
LAYERS = 10_000  # of a model's config.json
WIDTH = 10**9  # of a layer, a vocabulary
RANK = 65_536  # of an adapter
GIT_SECONDS = 120  # of one question to git
SHOTS = 100_000  # demonstrations, draws
