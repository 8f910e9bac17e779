"""`bench-hf` in lm-eval's own hands: the numbers and texts of `hf`, whole runs compared."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import harness  # noqa: F401  (registers bench-hf)
from harness.errors import UserError
from harness.lm import BenchHF
from tests.harness.engines.hf.test_engine import hflm, instances, pairs, words
from tests.harness.engines.tiny import write_adapter, write_model

# Writes a system turn, and ends each turn; words are the tiny tokenizer's.
CHAT = "{% for m in messages %} w1{{ m['content'] }} w2{% endfor %}"


def task(name: str, docs: list[dict[str, Any]], **config: Any) -> dict[str, Any]:
    """A task of lm-eval's, as a dictionary, over rows made here."""
    from datasets import Dataset

    return {
        "task": name,
        "custom_dataset": lambda **_: {
            "train": Dataset.from_list(docs[:4]),
            "test": Dataset.from_list(docs[4:]),
        },
        "training_split": "train",
        "test_split": "test",
        "fewshot_split": "train",
        "fewshot_config": {"sampler": "first_n"},
        "doc_to_text": "{{text}}",
        "target_delimiter": "",
        "fewshot_delimiter": " w5",
        "description": " w6 w7",
        **config,
    }


def three_tasks() -> list[dict[str, Any]]:
    source = random.Random(1)
    docs = [
        {
            "text": words(source, source.randrange(3, 14)),
            "choices": [words(source, n) for n in (1, 2, 3)],
            "gold": source.randrange(3),
            "answer": words(source, 2),
        }
        for _ in range(14)
    ]
    docs.append({**docs[-1], "text": words(source, 130)})  # longer than the window
    mean = {"aggregation": "mean", "higher_is_better": True}
    return [
        task(
            "choose",
            docs,
            output_type="multiple_choice",
            doc_to_choice="choices",
            doc_to_target="gold",
            metric_list=[{"metric": "acc", **mean}, {"metric": "acc_norm", **mean}],
        ),
        task(
            "roll",
            docs,
            output_type="loglikelihood_rolling",
            doc_to_text="",
            doc_to_target="text",
            metric_list=[{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
        ),
        task(
            "write",
            docs,
            output_type="generate_until",
            doc_to_target="answer",
            generation_kwargs={"until": [" w3", "w9"], "max_gen_toks": 9, "do_sample": False},
            metric_list=[{"metric": "exact_match", **mean}],
        ),
    ]


def evaluate(model: str, folder: Path, more: str = "", **options: Any) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    found: dict[str, Any] = simple_evaluate(
        model=model,
        model_args=f"pretrained={folder},dtype=float32{more}",
        tasks=three_tasks(),
        task_manager=TaskManager(include_defaults=False),  # lm-eval's own index takes seconds
        device="cpu",
        batch_size=1,
        log_samples=True,
        bootstrap_iters=0,
        **options,
    )
    return found


def plain(value: Any) -> Any:
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert set(ours["results"]) == {"choose", "roll", "write"}
    for name, metrics in theirs["results"].items():
        for metric, value in metrics.items():
            expected = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert ours["results"][name][metric] == expected, (name, metric)
        assert len(ours["samples"][name]) == 11
        for left, right in zip(ours["samples"][name], theirs["samples"][name], strict=True):
            assert left["prompt_hash"] == right["prompt_hash"]
            for key in ("resps", "filtered_resps"):
                assert plain(left[key]) == near(right[key])


def near(value: Any) -> Any:
    """Log-likelihoods within 1e-4 (a rolling sum has two windows); texts and flags equal."""
    if isinstance(value, list | tuple):
        return [near(part) for part in value]
    return pytest.approx(value, abs=2e-4) if isinstance(value, float) else value


@pytest.mark.parametrize(("name", "bos"), [("llama", False), ("gpt_neox", True)])
def test_a_whole_run_equals_hf(name: str, bos: bool, tmp_path: Path) -> None:
    folder = write_model(tmp_path / name, name, bos=bos)
    compare(evaluate("bench-hf", folder, num_fewshot=2), evaluate("hf", folder, num_fewshot=2))


def test_chat_template_bos_prefix_and_adapter_equal_hf(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "llama", "llama", bos=True)
    (folder / "chat_template.jinja").write_text(CHAT)
    adapter = write_adapter(tmp_path / "adapter", folder)
    more = f",peft={adapter},add_bos_token=False,prefix_token_id=9,max_length=48"
    chat = {"apply_chat_template": True, "fewshot_as_multiturn": True, "num_fewshot": 1}
    ours, theirs = (evaluate(model, folder, more, **chat) for model in ("bench-hf", "hf"))
    compare(ours, theirs)
    prompts = [sample["arguments"][0][0] for sample in ours["samples"]["write"]]
    assert all(prompt.startswith(" w1 w6 w7 w2 w1") for prompt in prompts)
    assert BenchHF(str(folder)).chat_template(True) == CHAT  # what lm-eval records


def test_requests_asked_directly_equal_hf(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "gemma3", "gemma3", bos=True)
    ours, theirs = BenchHF(str(folder)), hflm(folder)
    source = random.Random(8)
    texts = [(words(source, 150),), (words(source, 9),), ("",)]
    rolling = [
        lm.loglikelihood_rolling(instances("loglikelihood_rolling", texts)) for lm in (ours, theirs)
    ]
    assert rolling[0] == pytest.approx(rolling[1], abs=1e-3)
    asked = instances("loglikelihood", [*pairs(seed=9), (" w1 ", "w2"), ("", "<s> w3 w4")])
    for left, right in zip(ours.loglikelihood(asked), theirs.loglikelihood(asked), strict=True):
        assert left == (pytest.approx(right[0], abs=1e-4), right[1])
    options = {"until": " w3", "max_new_tokens": 6}
    asked = instances("generate_until", [(words(source, 12), dict(options)) for _ in range(5)])
    assert ours.generate_until(asked) == theirs.generate_until(asked)
    assert (ours.max_gen_toks, ours.max_length) == (theirs.max_gen_toks, theirs.max_length)


def test_lm_evals_cache_is_filled_and_used(tmp_path: Path) -> None:
    from lm_eval.api.model import CachingLM

    folder = write_model(tmp_path / "llama", "llama")
    asked = instances("generate_until", [(" w1 w2", {"until": [], "max_gen_toks": 4})])
    first = CachingLM(BenchHF(str(folder)), str(tmp_path / "cache.db")).generate_until(asked)
    lm = BenchHF(str(folder))
    assert CachingLM(lm, str(tmp_path / "cache.db")).generate_until(asked) == first
    assert lm.counts.asked == 0


def test_a_request_that_cannot_be_answered_ends_the_run(tmp_path: Path) -> None:
    lm = BenchHF(str(write_model(tmp_path / "llama", "llama")))
    asked = instances("generate_until", [(" w1", {"max_gen_toks": 500})])
    with pytest.raises(UserError, match=r"request 0 \(generate_until\): 500 new tokens"):
        lm.generate_until(asked)
