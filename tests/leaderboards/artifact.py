"""An artifact's folder made up for the tests of pages."""

import json
from hashlib import sha256

DIGEST = "a" * 64  # as the records of tests.leaderboards.records name it


def write_artifact(home, model, *, examples, output="an answer", steps=12):
    """Write `home/artifacts/<model>-<digest>/` with examples about cells; return the folder."""
    folder = home / "artifacts" / f"{model}-{DIGEST[:12]}"
    folder.mkdir(parents=True)
    decoding = {"max_tokens": 48, "stop": ["###"], "temperature": 0.7, "top_p": 0.95, "seed": 1}
    rows = [
        {
            "id": f"task-{number:05}",
            "instruction": f"Name part {number} of a cell.",
            "input": f"Word{number} lies in the membrane.",
            "output": output,
            "seeds": {"instruction": ["seed-1"], "response": ["seed-2"]},
            "documents": ["passage-1"],
            "decoding": {"instruction": decoding, "response": decoding | {"temperature": 0.0}},
        }
        for number in range(examples)
    ]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (folder / "data.jsonl").write_bytes(data)
    curve = [{"step": step, "loss": 3.0 - step / 10} for step in range(1, steps + 1)]
    (folder / "training.jsonl").write_text("".join(json.dumps(row) + "\n" for row in curve))
    sources = {"seeds": {"seed-1": "a seed of the domain"}, "passages": {"passage-1": "a passage"}}
    (folder / "sources.json").write_text(json.dumps(sources))
    manifest = {
        "name": model,
        "specializer": "selfspec",
        "base": "m",
        "kind": "adapter",
        "digest": DIGEST,
        "files": {"data.jsonl": sha256(data).hexdigest()},
        "params": {"examples": examples, "learning_rate": 0.0003},
        "facts": {"instructions": {"accepted": examples, "dropped": {"loop": 2}}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
