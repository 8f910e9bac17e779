"""Tasks for real texts: which text, mould and label come next, and what is written for them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from harness.files import digest
from harness.types import Decoding, Domain, Json, Response
from specializers.selfspec.draws import seed_for
from specializers.selfspec.filters import InstructionFilters, Refusal, speaks_of_a_text
from specializers.selfspec.grounded.asking import (
    INVENT_STOP,
    invent_prompt,
    one_line,
    read_invented,
    read_written,
    shown_for,
    write_prompt,
    write_stop,
)
from specializers.selfspec.grounded.duplicates import NearDuplicates
from specializers.selfspec.grounded.frames import TAG, Frame, Mode
from specializers.selfspec.grounded.labels import VERDICTS, occurs
from specializers.selfspec.grounded.params import GroundedParams
from specializers.selfspec.grounded.quotas import Cell, Quotas
from specializers.selfspec.grounded.texts import Suited, Text, suits
from specializers.selfspec.wording import is_foreign, is_loop, plain

_NAME = 6  # words: a part this short in the seed names something that the text names too
# Where the model's wording is refused, that of a seed of these forms still fits the new text.
_ANY_TEXT = ("mentions", "free")
_POLAR = "Answer {0} or {1}."


@dataclass(frozen=True)
class TextRequest:
    """A task that is to be written. label: what its answer is to be, "" for any."""

    id: str
    kind: str
    frame: Frame
    mode: Mode
    text: Text
    label: str


class Plan:
    """Which tasks to ask for next: types in turn, those that miss most first.

    The j-th task of a type has the same text, mould and number whatever the others do, so that a
    smaller run asks for the beginning of a larger one. A mould that takes a set of labels has the
    texts that suit it (`suits`), and is left out where there are none (`unsuited`).
    """

    def __init__(
        self,
        frames: Mapping[str, Sequence[Frame]],
        texts: Mapping[str, Suited],
        quotas: Quotas,
        params: GroundedParams,
    ) -> None:
        self._texts, self._quotas, self._params = texts, quotas, params
        self._asked: Counter[str] = Counter()
        self._decks: dict[str, list[Frame]] = {}
        self._fitting: dict[str, list[Text]] = {}
        self.unsuited: dict[str, list[str]] = {}
        for kind in quotas.wanted:
            deck = []
            for one in frames[kind]:
                if one.offered:
                    fitting = [text for text in texts[kind].texts if suits(one, text.text)]
                    self._fitting[one.seed.id] = fitting
                    if not fitting:
                        self.unsuited.setdefault(kind, []).append(one.seed.id)
                        continue
                if texts[kind].texts or self._mode(one, kind):
                    deck.append(one)
            random.Random(seed_for("moulds", params.seed, kind)).shuffle(deck)
            self._decks[kind] = deck

    def next(self, size: int, waiting: Mapping[str, int]) -> list[TextRequest]:
        """At most `size` asks; [] where nothing is missing that could be written.

        Args:
            waiting: tasks of each type that are not answered yet; they may be what is missing.
        """
        asks: list[TextRequest] = []
        room = {kind: self._wished(kind, waiting.get(kind, 0)) for kind in self._decks}
        while len(asks) < size and any(room.values()):
            kind = max(room, key=lambda name: room[name] / max(1, self._quotas.wanted[name]))
            room[kind] -= 1
            if ask := self._ask(kind):
                asks.append(ask)
            else:
                room[kind] = 0
        return asks

    def _wished(self, kind: str, waiting: int) -> int:
        """Half as many again as are missing; none once eight times the quota gave too few."""
        wanted = self._quotas.wanted[kind]
        missing = max(0, self._quotas.missing(kind) - waiting)
        spent = self._asked[kind] >= 8 * wanted + 8
        return 0 if spent or not self._decks[kind] or not missing else missing + missing // 2 + 1

    def _ask(self, kind: str) -> TextRequest | None:
        deck, texts = self._decks[kind], self._texts[kind]
        for _ in deck:
            turn = self._asked[kind]
            self._asked[kind] += 1
            frame = deck[turn % len(deck)]
            mode = self._mode(frame, kind)
            label = ""
            if frame.form == "label" and mode != "kept":
                free = [
                    one
                    for step in range(len(frame.labels))
                    if self._quotas.room(
                        Cell(
                            kind,
                            tuple(sorted(frame.labels)),
                            one := sorted(frame.labels)[(turn + step) % len(frame.labels)],
                        )
                    )
                ]
                if not free:
                    continue
                label = free[0]
            text = Text("", "")
            if mode and mode != "invented":
                fitting = self._fitting.get(frame.seed.id)
                text = fitting[turn // len(deck) % len(fitting)] if fitting else texts[turn]
            return TextRequest(
                f"task-{kind}-{turn:04d}", kind, frame, mode or frame.mode, text, label
            )
        return None

    def _mode(self, frame: Frame, kind: str) -> Mode | None:
        """How a task in a mould is made; None where it cannot be."""
        if self._texts[kind].texts:
            return frame.mode
        return "invented" if frame.form == "label" and frame.slot >= 0 else None


def shown_in(frames: Sequence[Frame], ask: TextRequest, count: int) -> tuple[Frame, ...]:
    """The moulds that are shown before an ask."""
    if ask.mode == "closed":  # what is shown has a text, where some mould of the type has one
        texts = [one for one in frames if one.text and one.names == ask.frame.names]
        if texts:
            return tuple(texts[:count])
    return shown_for(frames, ask.frame, count)


def prompt_of(domain: Domain, frames: Sequence[Frame], ask: TextRequest, count: int) -> str:
    """The prompt that asks for a task; see `shown_in`."""
    shown = shown_in(frames, ask, count)
    if ask.mode == "invented":
        return invent_prompt(domain, shown, ask.frame, ask.label)
    return write_prompt(domain, shown, ask.frame, ask.text.text, ask.label)


def _read(ask: TextRequest, response: Response | None) -> tuple[str, ...]:
    return read_written(ask.frame, response.text or "") if response is not None else ()


def _is_cut(response: Response, written: Sequence[str]) -> bool:
    return response.finish == "length" and not written[-1].endswith((".", "?", "!"))


class Writer:
    """Says how tasks are asked for and judges what is written; remembers all it has accepted."""

    def __init__(
        self, domain: Domain, frames: Mapping[str, Sequence[Frame]], params: GroundedParams
    ) -> None:
        self._domain, self._frames, self._params = domain, frames, params
        self._filters = InstructionFilters(
            domain.seeds,
            min_words=params.min_words,
            max_words=params.max_words,
            max_sentences=params.max_sentences,
            min_input_words=params.min_input_words,
            # Lengths of texts were chosen; the other parts come on top.
            max_input_words=2 * params.max_input_words,
            novelty="instruction+input",
            threshold=1.0,
        )
        self._pools: dict[str, NearDuplicates] = {}
        self.calls = self.tokens = self.errors = 0

    def asked(self, asks: Sequence[TextRequest]) -> list[tuple[str, Decoding]]:
        """What the model is to be asked: a prompt and its decoding for each that is written."""
        return [self._asked(ask) for ask in asks if ask.mode != "kept"]

    def _asked(self, ask: TextRequest) -> tuple[str, Decoding]:
        shown = self._params.demonstrations
        invents = ask.mode == "invented"
        stop = INVENT_STOP if invents else write_stop(ask.frame)
        return (
            prompt_of(self._domain, self._frames[ask.kind], ask, shown),
            self._params.writing(ask.id, stop, invents=invents),
        )

    def read(self, asks: Sequence[TextRequest], responses: Sequence[Response]) -> list[Json]:
        """A row for each ask, dropped or not.

        Args:
            responses: to what was `asked` for them, in order.
        """
        self.calls += len(responses)
        self.tokens += sum(response.tokens for response in responses)
        self.errors += sum(response.status != "ok" for response in responses)
        called = (ask.id for ask in asks if ask.mode != "kept")
        given = dict(zip(called, responses, strict=True))
        return [self._row(ask, given.get(ask.id)) for ask in asks]

    def _row(self, ask: TextRequest, response: Response | None) -> Json:
        prompt, decoding = self._asked(ask) if response is not None else ("", None)
        text, written = ask.text.text, _read(ask, response)
        if ask.mode == "invented" and response is not None:
            cut = response.finish == "length"
            text, written = read_invented(ask.frame, response.text or "", cut=cut)
        needs = ask.mode != "kept" and (ask.mode != "invented" or bool(ask.frame.asked))
        instruction = input_text = ""
        refusal: Refusal | None = None
        if not text or (needs and not written):
            said = response.text if response else ""
            refusal = Refusal("format", f"no task in: {said or ''!r:.200}")
        elif ask.mode != "invented" and response is not None and _is_cut(response, written):
            refusal = Refusal("cut", "reached the token limit")
        else:
            instruction, input_text = self._task(ask, text, written)
            refusal = self._judge(ask, instruction, input_text, text, written)
        own = bool(refusal) and ask.mode == "instruction" and ask.frame.form in _ANY_TEXT
        if own:  # the mould's wording holds for any text
            instruction, input_text = ask.frame.task(text, ())
            refusal = self._judge(ask, instruction, input_text, text, ())
        return {
            "id": ask.id,
            "instruction": instruction,
            "input": input_text,
            "kind": ask.kind,
            "mode": ask.mode,
            "mould": ask.frame.seed.id,
            "wording": "seed" if own or not written else "model",
            "label": ask.label,
            "source": text,
            "seeds": [one.seed.id for one in self._shown(ask)],
            "documents": [ask.text.passage] if ask.text.passage else [],
            "decoding": asdict(decoding) if decoding else None,
            "prompt_sha256": digest(prompt) if prompt else "",
            "dropped": asdict(refusal) if refusal else None,
        }

    def _shown(self, ask: TextRequest) -> tuple[Frame, ...]:
        return shown_in(self._frames[ask.kind], ask, self._params.demonstrations)

    def _task(self, ask: TextRequest, text: str, written: Sequence[str]) -> tuple[str, str]:
        if ask.mode == "kept":
            return ask.frame.task(text, ())
        instruction, input_text = ask.frame.task(text, [one_line(part) for part in written])
        if ask.mode == "invented" and not ask.frame.asked:
            instruction = ask.frame.seed.instruction
        polar = {plain(label) for label in ask.frame.labels} <= VERDICTS
        told = all(occurs(label, instruction) for label in ask.frame.labels)
        if not ask.frame.asked and ask.frame.labels and polar and not told:
            instruction = f"{instruction} {_POLAR.format(*ask.frame.labels)}"
        return instruction, input_text

    def _judge(
        self, ask: TextRequest, instruction: str, input_text: str, text: str, written: Sequence[str]
    ) -> Refusal | None:
        refusal = self._filters.form(instruction, input_text)
        refusal = refusal or (self._judge_parts(ask, text, written) if written else None)
        if refusal:
            return refusal
        if ask.frame.form == "mentions" and not TAG.search(instruction):
            return Refusal("format", "the instruction names no type of mentions")
        pool = self._pools.setdefault(ask.kind, self._opened(ask.kind))
        whole = f"{instruction} {input_text}"
        if near := pool.find(whole):
            return Refusal("duplicate", f"similarity {near[1]:.2f} to {near[0]}")
        pool.add(ask.id, whole)
        return None

    def _opened(self, kind: str) -> NearDuplicates:
        pool = NearDuplicates(self._params.duplicates)
        for seed in self._domain.seeds:
            if seed.task_type == kind:
                pool.add(seed.id, f"{seed.instruction} {seed.input}")
        return pool

    def _judge_parts(self, ask: TextRequest, text: str, written: Sequence[str]) -> Refusal | None:
        if len({plain(part) for part in written}) < len(written):
            return Refusal("copy", "two parts are the same")
        for name, part, own in zip(ask.frame.names, written, ask.frame.values, strict=True):
            if refusal := self._judge_part(ask, name, part, own, text):
                return refusal
        return None

    def _judge_part(
        self, ask: TextRequest, name: str, part: str, own: str, text: str
    ) -> Refusal | None:
        copies = {plain(value) for one in self._shown(ask) for value in one.values}
        asks = name in ("Instruction", "Question")
        if plain(part) in copies and not (asks and ask.frame.form in ("mentions", "free")):
            return Refusal("copy", "what is shown is said again")
        if is_foreign(part) or is_loop(part):
            return Refusal("loop" if is_loop(part) else "language", "repeats itself or not English")
        if asks:
            return self._judge_question(ask, name, part, text)
        return _judge_field(name, part, own, text, self._params.min_words)

    def _judge_question(self, ask: TextRequest, name: str, part: str, text: str) -> Refusal | None:
        if refusal := self._filters.form(part, text if ask.frame.slot >= 0 else ""):
            return refusal
        if name == "Question" and not part.endswith("?"):
            return Refusal("statement", "no question")
        if ask.frame.slot < 0 and speaks_of_a_text(part):
            return Refusal("missing_input", "speaks of a text that is not there")
        return None


def _judge_field(name: str, part: str, own: str, text: str, fewest: int) -> Refusal | None:
    """A named part beside the text: a name that the text has, or a statement of its own."""
    count = len(part.split())
    if len(own.split()) <= _NAME:
        if count > _NAME or not occurs(part, text):
            return Refusal("ungrounded", f"'{part[:40]}' is not in the text")
        return None
    if not fewest <= count <= 2 * len(own.split()):
        return Refusal("length", f"{count} words of {name}")
    return Refusal("copied", f"{name} is a piece of the text") if occurs(part, text) else None
