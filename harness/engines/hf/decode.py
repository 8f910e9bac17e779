"""Write prompts side by side: three ways, from best to most general.

Each takes unfinished writings and leaves them finished. `over_slots` needs an
architecture that takes ready-made masks and transformers' attention interface;
`over_rows` any that continues from a repeated cache; `by_itself` any at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.engines.base import EngineReport
from harness.engines.hf.network import Network
from harness.engines.hf.queue import Queue
from harness.engines.hf.slots import Root, Slots
from harness.engines.prefix import Forest, Pass, flatten, plan_packed
from harness.engines.writing import Writing, choose

# New prompts join a running batch when a quarter of its rows are free: a prefill of
# several prompts runs at full speed, a prefill of one does not.
REFILL = 4
# Steps after which what is finished is given out, however little it is: what a kill can cost.
KEPT_AFTER = 16


def over_slots(
    network: Network,
    queue: Queue,
    *,
    rows: int,
    width: int,
    budget: int,
    report: EngineReport,
) -> Iterator[list[Writing]]:
    """Rows of a preallocated cache over shared roots; finished rows make room for new prompts.

    Args:
        queue: what is to be written; emptied.
        rows: rows written side by side. width: tokens a row may come to beyond its root.
    Yields:
        what was finished since the last time: a quarter of the rows, or all of some steps.
    """
    slots = Slots(network, min(rows, len(queue)), width)
    active: list[Writing] = []
    done: list[Writing] = []
    logits: Any = None
    steps = 0
    while queue or active:
        free = min(rows - len(active), len(queue))
        if free and (not active or free * REFILL >= rows or free == len(queue)):
            started = time.perf_counter()
            for root, joined in queue.take(free):
                first = _prefill(network, root, joined, slots, budget, report)
                logits = first if logits is None else network.torch.cat([logits, first])
                active.extend(joined)
            report.seconds_prefill += time.perf_counter() - started
        started = time.perf_counter()
        for writing, token in zip(active, choose(logits, active), strict=True):
            writing.add(token)
        report.tokens_generated += len(active)
        for row in reversed([r for r, w in enumerate(active) if w.finish is not None]):
            slots.drop(row)
            done.append(active[row])
            queue.finished(active[row])
            active[row] = active[-1]
            active.pop()
        steps += 1
        if done and (len(done) * REFILL >= rows or steps >= KEPT_AFTER or not active):
            yield done
            done, steps = [], 0
        logits = slots.step([w.written[-1] for w in active]) if active else None
        report.seconds_decode += time.perf_counter() - started


def _prefill(
    network: Network,
    root: Root,
    writings: Sequence[Writing],
    slots: Slots,
    budget: int,
    report: EngineReport,
) -> Any:
    """Compute the prompts' own nodes once each, copy them into slots; logits [n, V]."""
    torch = network.torch
    network.use(root.adapter)
    depth, start = root.depth, slots.active
    slots.join([root] * len(writings))
    forest = Forest(w.prompt for w in writings)
    first = np.full(len(forest), depth, dtype=np.int64)
    whole = (0, len(forest))
    below = Pass(depth, depth, whole, ranges=tuple(forest.children(*whole, depth)))
    cache = network.rows(root.cache, depth, 1)
    logits: Any = None
    for step in plan_packed(forest, budget, within=below):
        network.crop(cache, step.depth)
        flat = flatten(forest, step, first)
        ends = [
            (s, int(places[-1]))
            for s, begin, places in flat.reads
            if begin + len(places) == forest.length[s]
        ]
        columns = sorted({place for _, place in ends}) or [0]
        out = network.packed(flat, network.tensor(columns), cache=cache, depth=step.depth)
        if logits is None:
            logits = out.new_empty((len(writings), out.shape[-1]))
        for s, place in ends:
            logits[int(forest.order[s])] = out[columns.index(place)]
        for s, begin, places in flat.reads:
            row = start + int(forest.order[s])
            slots.fill(row, begin, network.tensor(places) + step.depth, cache)
        network.crop(cache, step.keep)
        report.tokens_computed += step.size
    return torch.as_tensor(logits)


def over_rows(
    network: Network, root: Any, depth: int, writings: Sequence[Writing], report: EngineReport
) -> None:
    """Rows of an ordinary cache over a repeated root, ending at the same column."""
    torch = network.torch
    started = time.perf_counter()
    sizes = [len(w.prompt) - depth for w in writings]
    width = max(sizes)
    ids = np.zeros((len(writings), width), dtype=np.int64)
    for row, writing in enumerate(writings):
        ids[row, : sizes[row]] = writing.prompt[depth:]
    cache = network.rows(root, depth, len(writings))
    columns = sorted({size - 1 for size in sizes})
    logits = network.logits(network.tensor(ids), network.tensor(columns), cache=cache)
    logits = logits[torch.arange(len(writings)), [columns.index(size - 1) for size in sizes]]
    report.tokens_computed += len(writings) * width
    # The prompts were padded on the right; new tokens need the padding on the left.
    shift = network.tensor([width - size for size in sizes])[:, None]
    place = torch.arange(depth + width, device=network.device)[None]
    source = (place - shift).clamp(min=0)
    seen = place >= shift
    for layer in cache.layers:
        for name in ("keys", "values"):
            states = getattr(layer, name)
            index = source[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
            setattr(layer, name, states.gather(2, index))
    report.seconds_prefill += time.perf_counter() - started

    started = time.perf_counter()
    active = list(writings)
    while True:
        for writing, token in zip(active, choose(logits, active), strict=True):
            writing.add(token)
        report.tokens_generated += len(active)
        stay = [row for row, writing in enumerate(active) if writing.finish is None]
        if not stay:
            break
        if len(stay) < len(active):
            active = [active[row] for row in stay]
            seen = seen[network.tensor(stay)]
            cache.batch_select_indices(network.tensor(stay))
        seen = torch.cat([seen, seen.new_ones((len(active), 1))], dim=1)
        logits = network.logits(
            network.tensor([w.written[-1:] for w in active]),
            network.tensor([0]),
            cache=cache,
            mask=seen.long(),
            positions=network.tensor([[w.length - 1] for w in active]),
        )[:, 0]
    report.seconds_decode += time.perf_counter() - started


def by_itself(network: Network, writings: Sequence[Writing], report: EngineReport) -> None:
    """The model's own `generate`, over prompts of one length at a time: nothing is padded."""
    torch = network.torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    for length in sorted({len(w.prompt) for w in writings}):
        batch = [w for w in writings if len(w.prompt) == length]

        def draw(_: Any, scores: Any, batch: Sequence[Writing] = batch) -> Any:
            """Leave of each row's scores only the token its writing takes."""
            running = [row for row, writing in enumerate(batch) if writing.finish is None]
            tokens = choose(scores[running], [batch[row] for row in running])
            only = torch.full_like(scores, -torch.inf)
            only[:, 0] = 0.0
            for row, token in zip(running, tokens, strict=True):
                batch[row].add(token)
                only[row] = -torch.inf
                only[row, token] = 0.0
            return only

        def ended(_: Any, __: Any, batch: Sequence[Writing] = batch, **___: Any) -> Any:
            return torch.tensor([w.finish is not None for w in batch], device=network.device)

        started = time.perf_counter()
        ids = network.tensor([w.prompt for w in batch])
        with torch.inference_mode():
            network.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max(w.most for w in batch),
                do_sample=False,
                pad_token_id=0,
                logits_processor=LogitsProcessorList([draw]),
                stopping_criteria=StoppingCriteriaList([ended]),
            )
        report.tokens_computed += ids.numel()
        report.tokens_generated += sum(len(w.written) for w in batch)
        report.seconds_decode += time.perf_counter() - started
