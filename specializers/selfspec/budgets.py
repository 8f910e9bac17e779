"""Every parameter of self-specialization, by budget.

The letter says where a value comes from: P the paper (arXiv 2310.00160), R its
reviews, M Self-MoE (arXiv 2406.12034), by the same first author, C public code
of the same family (Self-Instruct, Alpaca), U said by others and not verified.
"ours" was chosen here.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from specializers.training.examples import TEMPLATES
from specializers.training.params import TrainParams

# What no budget varies; `--set` still does.
COMMON: dict[str, Any] = {
    "seed": 0,
    "rounds": 1,  # P: answers may be written anew by the model of the previous round
    "train_on_seeds": "all",  # ours: the seeds are examples too; "none" leaves them out
    # -- over texts of the corpus (inputs = "corpus")
    "task_tokens": 64,  # ours: a question or an instruction
    "task_temperature": 0.7,  # SELF-GUIDE (arXiv 2407.12874), chosen there by search
    "task_top_p": 0.95,  # Bonito (arXiv 2402.18334)
    "vote_samples": 5,  # ours: SELF-GUIDE takes 10
    "vote_share": 0.5,  # ours: SELF-GUIDE takes 0.3
    "vote_temperature": 0.5,  # ours: between SELF-GUIDE's 0.2 and Wang et al.'s 0.7
    "label_margin": 0.05,  # ours: of a label's calibrated share over that of a guess
    "duplicates": 0.8,  # ours: Jaccard of three-word runs; distilabel takes 0.9 of words
    "long_share": 0.3,  # ours: have over 20 words; LongWriter (arXiv 2408.07055) says why
    "cover": 0.6,  # ours: of a long answer's content words, in the text
    "ifd": 1.0,  # Li et al. 2023 (arXiv 2308.12032); 0 asks for no loss
    "gate_least": 0.15,  # ours: likeness to the seeds' answers that written ones must exceed
    "gate_seeds": 8,  # ours: held out of each type; 0 trusts every type
    "mined_share": 0.5,  # ours: of `examples`, most that mined tasks may make up for
    "long_answers": "conclusions",  # ours: asked of passages where long ones are missing
    "type_shares": "seeds",  # ours: types for which little is kept are trained on oftener
    # -- instructions
    "surplus": 0.15,  # ours: accepted beyond `examples`, since some answers will be dropped
    "demonstrations": 3,  # M
    "temperature": 1.0,  # M
    "top_p": 0.98,  # M
    "model_sampling": True,  # ours: models.toml may name what suits a model better
    # -- filters
    "min_words": 4,  # C: three words or fewer are dropped
    "max_words": 150,  # C
    "max_sentences": 3,  # ours: M asks for one or two; seeds that list labels need a third
    "min_input_words": 4,  # ours: M asks for a substantial input
    "novelty_threshold": 0.7,  # C: ROUGE-L F1
    "semantic_threshold": 0.0,  # ours: off; above 0, the largest cosine to an earlier task
    "label_share": 0.3,  # ours: no short answer makes up more of the short answers
    # -- responses
    "retrieval": "bm25",  # R, P; BM25 from a secondary source
    "embedding": "minilm",  # ours: for dense and hybrid; named or path:FOLDER, hf:OWNER/NAME@REV
    "retrieval_input_words": 40,  # ours: for "open", an input longer than this answers for itself
    "agreement_samples": 0,  # ours: off; so many sampled answers are compared with the greedy one
    "agreement_share": 0.5,  # ours: of the samples
    "agreement_rouge": 0.5,  # ours: ROUGE-L F1 at which two answers of over 3 words agree
    "agreement_temperature": 0.7,  # Wang et al. 2023 (arXiv 2203.11171)
    # -- training
    "template": "auto",  # ours: M trains and asks in Alpaca's; "auto" is how the harness asks
    "replay_tokens": 96,  # ours: of an answer to a general question, at most
    "lora_rank": 8,  # M
    "lora_alpha": 16,  # M
    "lora_dropout": 0.0,  # ours
    "target_modules": "all-linear",  # M
    "learning_rate": 3e-4,  # M
    "loss_average": "tokens",  # M
    "rates": "",  # ours: rates with commas between them; the lowest held-out loss tells which
    "schedule": "cosine",  # ours
    "epochs": 3,  # M; not asked where `steps` is given
    "evaluations": 10,  # ours
    "patience": 3,  # ours
    "micro_batch": 4,  # ours: the largest that fits; changes no result but rounding
    "row_tokens": 2048,  # ours: packing without cross-talk; changes no result but rounding
}

PAPER: dict[str, Any] = {
    **COMMON,
    "inputs": "model",  # P: the model writes them; "corpus" takes texts of the corpus
    "examples": 5000,  # R
    "max_calls": 20_000,  # ours: a bound, so that a weak model ends with what it has
    "calls_per_round": 256,  # ours: how often the filters are asked whether there is enough
    "demonstration_kinds": "mixed",  # M: drawn at random; "one" shows seeds of one task type
    "wish": "none",  # M: topics are listed; "topic" or "kind+topic" name one for the next task
    "tasks_per_call": 0,  # C: as many as fit; 0 = until instruction_tokens
    "instruction_tokens": 1024,  # ours
    "max_input_words": 400,  # ours
    "novelty": "instruction",  # C
    "label_floor": 25,  # ours: before this many of it the share is not asked
    "passages": 3,  # U: the paper's k is not known
    "passage_words": 120,  # ours
    "retrieve_for": "all",  # P: for responses; "open": tasks without a text of their own
    "response_demonstrations": 5,  # M
    "demonstration_choice": "draw",  # M; "nearest" takes the seeds with the likest instruction
    "response_tokens": 512,  # ours
    "responses_per_round": 256,  # ours
    "warmup_steps": 10,  # ours
    "steps": 0,  # M: three epochs of what there is
    "holdout": 0.0,  # M: none
    "replay": 0.0,  # M: none
    "demonstrated": 0.0,  # M: none
    "batch": 32,  # M
    "max_length": 1024,  # ours: tokens; longer examples lose the beginning of their input
    "quantisation": "nf4",  # U
    "gradient_checkpointing": True,  # ours
    "checkpoint_steps": 20,  # ours
    "train_on_seeds": "none",  # P: on what the model wrote alone
}

SMALL: dict[str, Any] = {
    **PAPER,
    "inputs": "corpus",
    "examples": 96,
    # About 24,000 tokens of tasks: 11 minutes for SmolLM2-135M on two cores.
    "max_calls": 160,
    "calls_per_round": 96,  # ours: of 32 the last rows of each round run alone for longer
    "demonstration_kinds": "one",
    "wish": "kind+topic",
    "tasks_per_call": 2,
    "instruction_tokens": 192,
    "max_input_words": 160,
    # A small model that keeps a seed's instruction and writes a new text has done well.
    "novelty": "instruction+input",
    "label_floor": 8,
    "passages": 1,
    "passage_words": 60,
    "retrieve_for": "open",
    "demonstration_choice": "nearest",
    "response_tokens": 128,
    "responses_per_round": 64,
    "warmup_steps": 2,
    "steps": 60,  # ours: the same for every method; about three epochs of 160 examples
    "holdout": 0.1,
    "demonstrated": 0.3,  # ours: share of the examples trained on after others of their kind
    "replay": 0.1,  # EntiGraph (arXiv 2409.07431) takes as much of general text
    "batch": 8,
    "max_length": 384,
    "quantisation": "",
    "gradient_checkpointing": False,
    "checkpoint_steps": 5,
    "train_on_seeds": "all",
}

TINY: dict[str, Any] = {
    **SMALL,
    "examples": 24,
    "max_calls": 32,
    "calls_per_round": 16,
    "instruction_tokens": 144,
    "vote_samples": 3,
    "gate_seeds": 2,
    "max_input_words": 80,
    "label_floor": 3,
    "passage_words": 40,
    "response_demonstrations": 3,
    "response_tokens": 48,
    "responses_per_round": 32,
    "warmup_steps": 0,  # the first step of a warm-up has rate 0, and there are few steps
    "steps": 24,
    "batch": 4,
    "max_length": 192,
    "checkpoint_steps": 1,
}

BUDGETS = {"tiny": TINY, "small": SMALL, "paper": PAPER}

CHOICES = {
    "inputs": ("corpus", "model"),
    "train_on_seeds": ("all", "none"),
    "long_answers": ("titles", "conclusions"),
    "type_shares": ("kept", "seeds"),
    "loss_average": ("tokens", "examples"),
    "demonstration_kinds": ("mixed", "one"),
    "retrieve_for": ("all", "open"),
    "wish": ("none", "topic", "kind+topic"),
    "demonstration_choice": ("draw", "nearest"),
    "novelty": ("instruction", "instruction+input"),
    "retrieval": ("none", "bm25", "dense", "hybrid"),
    "template": TEMPLATES,
    "quantisation": ("", "nf4"),
    "schedule": ("constant", "linear", "cosine"),
}

# How examples are put into prompts, for the budgets of all that train on examples.
FORM = ("template", "demonstrated")
TRAINING = (*(field.name for field in fields(TrainParams) if field.default is MISSING), "rates")


def training_budgets(*more: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """The same budgets cut down to training and the parameters in `more`, for the controls."""
    return {
        budget: {**{name: values[name] for name in (*TRAINING, *more)}, **changes}
        for budget, values in BUDGETS.items()
    }
