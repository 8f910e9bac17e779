"""Write the result folders under `lm_eval_written/`, with the lm-eval that runs this file.

Each version has an environment of its own, so this file imports nothing of the project:

    python -m venv V && V/bin/pip install "lm-eval==0.4.9" "transformers==4.53.3" torch
    V/bin/python tests/leaderboards/exchange/write_lm_eval.py tests/.../lm_eval_written/0.4.9

Two random GPT-2 of some thousand parameters are asked a suite made up here, whose tasks
are of the kinds that lm-eval's own tasks are of. What lm-eval writes stays as it is, but
for facts of the machine that wrote it; standard errors come from 100 resamples.
"""

import json
import os
import random
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

WORDS = [
    *("no", "yes", "maybe", "red", "green", "blue", "one", "two", "three", "four"),
    *("cold", "warm", "the", "sky", "is", "a", "of", "it"),
]
DROPPED = ("pretty_env_info", "upper_git_hash", "git_hash", "cpu_info", "lscpu")

DATA = """
dataset_path: json
dataset_kwargs: {{data_files: {{test: data/{data}.jsonl, train: data/{data}.jsonl}}}}
test_split: test
"""
CHOICE = """
output_type: multiple_choice
fewshot_split: train
doc_to_text: "{{question}}\\nAnswer:"
doc_to_choice: choices
doc_to_target: label
"""
WRITTEN = """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[label]}}"
generation_kwargs: {until: ["."], max_gen_toks: 6, do_sample: false}
"""
END = "metadata: {version: 2.0}\n"
# Name -> data, body, metrics. Metrics without "aggregation" have lm-eval's own.
TASKS = {
    "lw_choice": (
        "choice",
        CHOICE,
        """
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
""",
    ),
    "lw_bare": ("yesno", CHOICE, "metric_list: [{metric: acc}, {metric: f1}]\n"),
    "lw_mcc": ("yesno", CHOICE, "metric_list: [{metric: mcc}]\n"),
    "lw_brier": ("choice", CHOICE, "metric_list: [{metric: brier_score}, {metric: acc}]\n"),
    "lw_ids": ("ids", CHOICE, "metric_list: [{metric: acc}]\n"),
    "lw_wiki": (
        "text",
        'output_type: loglikelihood_rolling\ndoc_to_text: ""\ndoc_to_target: "{{page}}"\n'
        "should_decontaminate: true\ndoc_to_decontamination_query: page\n",
        "metric_list: [{metric: word_perplexity}, {metric: byte_perplexity},"
        " {metric: bits_per_byte}]\n",
    ),
    "lw_last_word": (
        "choice",
        'output_type: loglikelihood\ndoc_to_text: "{{question}}"\n'
        'doc_to_target: " {{choices[label]}}"\n',
        """
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    ),
    "lw_truth": (
        "choice",
        WRITTEN + "process_results: !function scoring.graded\n",
        """
metric_list:
  - {metric: bleu_max, aggregation: mean, higher_is_better: true}
  - {metric: bleu_diff, aggregation: mean, higher_is_better: true}
  - {metric: bleu_acc, aggregation: mean, higher_is_better: true}
""",
    ),
    "lw_filters": (
        "choice",
        WRITTEN,
        """
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: "(red|no)"}, {function: take_first}]
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(\\\\w+)"}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
""",
    ),
    "lw_translated": (
        "choice",
        WRITTEN,
        "metric_list: [{metric: bleu}, {metric: chrf}, {metric: ter}]\n",
    ),
    "lw_voted": (
        "choice",
        WRITTEN.replace("do_sample: false", "do_sample: true, temperature: 0.9")
        + "repeats: 3\n",
        """
filter_list:
  - {name: vote, filter: [{function: majority_vote}, {function: take_first}]}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
    ),
    "lw_own": (
        "choice",
        WRITTEN + "process_results: !function scoring.spread\n",
        """
metric_list:
  - {metric: spread, aggregation: !function scoring.widest, higher_is_better: false}
""",
    ),
    "lw_part_a": ("yesno", CHOICE, "metric_list: [{metric: acc}]\n"),
    "lw_part_b": ("choice", CHOICE, "metric_list: [{metric: acc}]\n"),
}  # fmt: skip
GROUP = "group: lw_group\ntask: [lw_part_a, lw_part_b]\n"
# Since 0.4.4 a group says what its score is; before, every group had one.
GROUP_SCORE = """
aggregate_metric_list: [{metric: acc, aggregation: mean, weight_by_size: true}]
metadata: {version: 1.0}
"""
SCORING = '''
def graded(doc, results):
    """As truthfulqa's: graded answers in points of 100, and whether the true one is nearer."""
    value = 10.0 + 7.3 * len(results[0]) % 60
    return {"bleu_max": value, "bleu_diff": value - 30.0, "bleu_acc": int(value > 30)}


def spread(doc, results):
    return {"spread": [len(results[0]), doc["label"]]}


def widest(items):
    return max(size - label for size, label in items)
'''
ALL = ",".join([*list(TASKS)[:-2], "lw_group"])
# What is asked: model, tasks, further arguments, folder under the output.
RUNS = [
    ("tiny-a", ALL, [], "out"),
    ("tiny-a", "lw_choice,lw_filters", ["--num_fewshot", "2"], "out"),
    ("tiny-b", "lw_choice,lw_group", ["--limit", "3"], "out"),
    ("tiny-b", "lw_filters", ["--predict_only"], "predicted"),
    ("tiny-b", "lw_choice", [], "named/run.json"),
]


def rows(count, labels, seed):
    draw = random.Random(seed)
    for number in range(count):
        yield {
            "id": f"{seed}-{number}",
            "question": " ".join(draw.choices(WORDS, k=6)),
            "choices": labels,
            "label": draw.randrange(len(labels)),
        }


def write_rows(name, found):
    Path("data").mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in found)
    Path("data", f"{name}.jsonl").write_text(lines)


def write_suite():
    write_rows("choice", rows(6, ["red", "green", "blue one"], 1))
    write_rows("yesno", rows(7, ["no", "yes"], 2))
    write_rows(
        "ids", [row | {"id": f"q{n % 2}"} for n, row in enumerate(rows(3, ["no", "yes"], 3))]
    )
    write_rows(
        "text", [{"page": " ".join(r["question"] for r in rows(n, ["no"], n))} for n in (2, 3)]
    )
    Path("suite").mkdir()
    Path("suite", "scoring.py").write_text(SCORING)
    old = version("lm_eval") in ("0.4.2", "0.4.3")
    Path("suite", "lw_group.yaml").write_text(GROUP + ("" if old else GROUP_SCORE))
    for name, (data, body, metrics) in TASKS.items():
        text = f"task: {name}" + DATA.format(data=data) + body.lstrip("\n") + metrics.lstrip("\n")
        Path("suite", f"{name}.yaml").write_text(text + END)


def write_model(name, seed):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate(["<unk>", "<eos>", *WORDS, ".", ":", "Answer"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>", pad_token="<eos>"
    ).save_pretrained(name)
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=128, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=1, eos_token_id=1, initializer_range=1.0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(name)


def ask(model, tasks, arguments, out):
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.api import metrics

    # 100,000 resamples by default, which take minutes a metric.
    resampled = metrics.bootstrap_stderr
    metrics.bootstrap_stderr = lambda metric, values, iters: resampled(metric, values, 100)
    sys.argv = [
        "lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32",
        "--tasks", tasks, "--include_path", "suite", "--device", "cpu", "--batch_size", "1",
        "--log_samples", "--output_path", f"results/{out}", *arguments,
    ]  # fmt: skip
    cli_evaluate()
    metrics.bootstrap_stderr = resampled


def keep(target):
    for path in filter(Path.is_file, Path("results").rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in content.items() if key not in DROPPED}
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree("results", target)


def main():
    target = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ |= {
            "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(Path(folder, "hf")),
        }  # fmt: skip
        write_suite()
        for seed, name in ((3, "tiny-a"), (4, "tiny-b")):
            write_model(name, seed)
        for run in RUNS:
            ask(*run)
        keep(target)
        os.chdir("/")


if __name__ == "__main__":
    main()
