"""vLLM's processes inherit this: no hub, and no more threads than the tests are given."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
