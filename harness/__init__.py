"""Run registered models over registered task suites and record what they answered.

Importing this package adds the engine to lm-eval as the model "bench-hf"; nothing
heavy is imported until that model is made.
"""

import lm_eval.models  # noqa: F401  (lm-eval's own models, before one of ours is added)
from lm_eval.api.registry import model_registry

if "bench-hf" not in model_registry:
    model_registry.register("bench-hf", target="harness.lm:BenchHF")
