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
LINE_BYTES = 256 * 2**20  # of JSON lines; a whole book is a hundredth of it

# What is packed: text packs 3 to 20 times, zeros a thousand times and more.
EXPANSION = 200  # a packed file's content, in sizes of the file
UNPACKED_FREE = 64 * 2**20  # bytes that any packed file may hold
PLAIN_WHOLE = 2 * 2**30  # bytes of a plain text that is read at once
UNPACKED_WHOLE = 256 * 2**20  # the same of a packed one
UNPACKED_PAGE = 16 * 2**20  # of a packed page of HTML or Markdown
READING = 768 * 2**20  # memory for a document of a packed file, or for a table that is one
PDF_SECONDS = 300  # for the text of a PDF; a thousand pages take a minute or two
TABLE_BYTES = 512 * 2**20  # of a zip or a table that is read at once
MEMBERS = 200_000  # files in a zip
SHEET_ROWS = 2**20  # Excel's own bounds
SHEET_COLUMNS = 2**14
CELLS = 20_000_000  # of a table that is read whole
DOWNLOAD = 64 * 2**30  # bytes of one file of an origin

# Text of data that is a program: templates, regular expressions.
TEMPLATE = 256 * 1024  # letters; the longest chat template known has 20,000
TEMPLATE_SECONDS = 10  # for one prompt; a thousandth is usual
TEMPLATE_BYTES = 2**30  # of memory, for one prompt
FILTER_SECONDS = 20  # for the answers of a task, and as much again for each thousand

# A GGUF file's header, each also by what is left of the file.
GGUF_TENSORS = 100_000
GGUF_KEYS = 100_000
GGUF_HEADER = 512 * 2**20  # bytes; large vocabularies take 20 MB
GGUF_DIMENSIONS = 4

# A record: manifest and summary; rows; facts of the run.
RECORD_BYTES = 16 * 2**20
ITEMS_BYTES = 4 * 2**30
RUN_BYTES = 2**20
WORDS = 4_000  # letters of a title, a source, an id
TEXT = 16 * 2**20  # letters of an input or an answer
KEYS = 100_000  # of one table or list
WHOLE = 10**15  # counts; a float is exact to 2^53
LAYERS = 1_000  # of a model's config.json
WIDTH = 10**9  # of a layer, a vocabulary
DIMENSIONS = 2**16  # of a vector of an embedding model; 4,096 are many
SAFETENSORS_HEADER = 100 * 2**20  # bytes; the library's own bound
RANK = 65_536  # of an adapter
GIT_SECONDS = 120  # of one question to git
SHOTS = 100_000  # demonstrations, draws
