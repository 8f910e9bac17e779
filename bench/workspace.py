"""A folder of results, and what may stand in it: the state behind commands and functions.

All state is in a `Workspace`; nothing is global but the default one, which the public functions
open where they are given none (`default_workspace`). With the commands it may import every
package, each inside the function that needs it, so that `bench --help` loads none.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config import CONFIG_NAME, Config, load_config
from bench.plugins import Added, open_domain, open_registry, open_suites
from harness.checks import (
    TEXT,
    ValueType,
    is_plain_name,
    name_fault,
    one_of,
    value_faults,
    whole_number,
)
from harness.errors import UserError, UserErrors, did_you_mean

if TYPE_CHECKING:
    from harness.artifacts.makes import MakesOf
    from harness.executors.base import OnStored
    from harness.pool import ModelPool
    from harness.registry import Registry, Resolved
    from harness.suites.index import SuiteIndex
    from harness.types import Artifact, Domain, ModelSpec, Progress, Record, Specializer
    from leaderboards.spec import BoardSpec
    from tasks.cards import Card

MADE = "+"  # model name + "+" + the first letters of an artifact's digest


def name_of(artifact: Artifact) -> str:
    """The name under which that very artifact is run, whatever recipe made it."""
    return f"{artifact.specializer}-{artifact.base}{MADE}{artifact.digest[:8]}"


@dataclass(frozen=True)
class Recipe:
    """How a specialised model is made; "" and None are the defaults of bench.toml.

    Args:
        settings: KEY=VALUE changes one parameter of the budget, NAME.KEY=VALUE that of one
            specializer alone.
        makes: how many times a specialised model is made, each with other seeds.
        makes_of: "training": all makes are trained on the first one's data.
    """

    budget: str = "tiny"
    domain: str = ""
    corpus: Path | None = None
    settings: tuple[str, ...] = ()
    makes: int = 1
    makes_of: MakesOf = "all"

    def __post_init__(self) -> None:
        """Take a corpus as text too.

        Raises:
            UserErrors: values of another kind.
        """
        if isinstance(self.corpus, str):
            object.__setattr__(self, "corpus", Path(self.corpus))
        told(value_faults(vars(self), _RECIPE))


_RECIPE = {
    "budget": TEXT,
    "domain": TEXT,
    "corpus": ValueType("a path or None", lambda v: v is None or isinstance(v, Path)),
    "settings": ValueType(
        'a tuple of "KEY=VALUE"',
        lambda v: isinstance(v, tuple) and all(isinstance(pair, str) for pair in v),
    ),
    "makes": whole_number(1),
    "makes_of": one_of("all", "training"),
}
_DTYPES = one_of("", "auto", "fastest", "float32", "bfloat16", "float16")


def told(faults: Sequence[str]) -> None:
    """Raise `UserErrors` if there are any."""
    if faults:
        raise UserErrors(faults)


class Workspace:
    """A folder of results, its registry, suites, domains and models.

    Opening one sets the environment variables that keep libraries' own progress bars and notes
    out of the output (`quiet_libraries`).

    Args:
        out: the folder; else BENCH_OUT, else what bench.toml says, else `bench-out`.
        config: bench.toml, or one that is read; else that of the working folder.
        data: a local mirror of data sets.
        trust_suites: let suites of bench.toml run the Python code they name.
        dtype: numerics of every model; "" is each model's own.
        progress: told how far long steps are; else bars or lines, whatever suits the output.
        added: what `register` and `register_suite` brought in.
        base: the model under adapters that are named by their place; "" is the one that an
            adapter's own file names.
        kept: told of each stored model call; see `ResponseStore`.
    Raises:
        UserErrors: what is wrong with bench.toml, or with names that are there twice; a value of
            another kind.
    """

    def __init__(
        self,
        out: Path | str | None = None,
        *,
        config: Config | Path | str | None = None,
        data: Path | str | None = None,
        trust_suites: bool = False,
        dtype: str = "",
        progress: Progress | None = None,
        added: Added | None = None,
        base: str = "",
        kept: OnStored | None = None,
    ) -> None:
        from harness.progress import open_progress

        quiet_libraries()
        told(value_faults({"dtype": dtype}, {"dtype": _DTYPES}))
        if not isinstance(config, Config):
            config = load_config(Path(config) if config is not None else None)
        self.config = config
        self.out = out_folder(out, config)
        if self.out.exists() and not self.out.is_dir():
            raise UserError(f"{self.out}: a file; expected the folder of results. Name another.")
        self.data = Path(data) if data is not None else config.defaults.data
        self.trust_suites = trust_suites
        self.progress: Progress = progress or open_progress(quiet=False)
        self.added = added or Added()
        self.dtype, self._base, self._kept = dtype, base, kept
        self._pool: ModelPool | None = None
        self._suites: SuiteIndex | None = None
        self._domains: dict[tuple[str, Path | None], Domain] = {}
        self.registry: Registry = open_registry(config, self.added)

    # -- what is registered ------------------------------------------------

    def register(self, plugin: Any) -> None:
        """Make a specializer or a model known by its own name.

        Raises:
            UserErrors: it is neither, or in which points it is not; a plug-in of that name is
                there already.
        """
        from harness.contract import specializer_faults
        from harness.types import ModelSpec

        what = "register: found {}; expected a specializer or a harness.types.ModelSpec."
        if isinstance(plugin, type):
            raise UserError(what.format(f"the class {plugin.__name__}") + " Make one of it.")
        name = getattr(plugin, "name", None)
        if not isinstance(name, str):
            raise UserError(what.format(repr(plugin)[:80]))
        kind = "models" if isinstance(plugin, ModelSpec) else "specializers"
        faults = [fault] if (fault := name_fault(kind, name)) else []
        if not isinstance(plugin, ModelSpec):
            faults += specializer_faults(plugin, name)
        told([f"register: '{name}': {fault}" for fault in faults])
        if isinstance(plugin, ModelSpec):
            self._add(replace(self.added, models={**self.added.models, plugin.name: plugin}))
        else:
            found = {**self.added.specializers, plugin.name: plugin}
            self._add(replace(self.added, specializers=found))

    def register_suite(self, name: str, folder: Path | str, *, trust: bool = False) -> None:
        """Make a folder of lm-eval YAML known as a suite.

        Args:
            trust: let it run the Python code it names.
        Raises:
            UserError: there is no such folder, or another suite of that name is there already.
        """
        folder = Path(folder).absolute()
        if fault := name_fault("suites", name):
            raise UserError(f"register_suite: {fault}. Choose another name.")
        if not folder.is_dir() or not any(folder.rglob("*.yaml")):
            what = "holds no .yaml" if folder.is_dir() else "is no folder"
            raise UserError(f"suite '{name}': {folder} {what}; expected one of x.yaml files.")
        suites = self.registry.suites()
        taken = suites.get(name.replace("-", "_")) or suites.get(name)
        if taken is not None and taken.absolute() != folder:
            raise UserError(f"suite '{name}' is there already, in {taken}. Choose another name.")
        trusted = self.added.trusted | {name} if trust else self.added.trusted
        found = {**self.added.suites, name: folder}
        self._add(replace(self.added, suites=found, trusted=trusted))

    def _add(self, added: Added) -> None:
        self.registry = open_registry(self.config, added)
        self.added, self._suites = added, None

    @property
    def suites(self) -> SuiteIndex:
        """The tasks of all suites; found once."""
        if self._suites is None:
            self._suites = open_suites(self.registry, self.config, self.added, self.trust_suites)
        return self._suites

    def cards(self) -> Mapping[str, Card]:
        """What is known of the tasks of all suites, by task."""
        from tasks.cards import load_cards

        return load_cards(self.registry.suites().values())

    def domain(self, name: str, recipe: Recipe = Recipe()) -> Domain:
        """The named domain, or the one asked for by the recipe; read once."""
        defaults = self.config.defaults
        chosen = name or recipe.domain or defaults.domain or "biomed"
        corpus = recipe.corpus or defaults.corpus
        if (chosen, corpus) not in self._domains:
            if corpus is not None:
                from specializers.corpus.building.given import searchable

                found = searchable(corpus, self.progress)
            else:
                found = None
            self._domains[chosen, corpus] = open_domain(self.config, chosen, found)
        return self._domains[chosen, corpus]

    # -- models ------------------------------------------------------------

    @property
    def pool(self) -> ModelPool:
        """Answers for models; at most one base's weights are in memory."""
        if self._pool is None:
            from harness.models.sources import fetch
            from harness.pool import ModelPool

            self._pool = ModelPool(
                lambda spec: fetch(spec, progress=self.progress),
                self.out / "responses",
                self.progress,
                self.dtype,
                kept=self._kept,
            )
        return self._pool

    def resolve(self, name: str) -> Resolved:
        """A registered model, `<specializer>-<model>`, or such a name + "+" + digest of what was
        made: `selfspec-smollm2+3caddf7b` is that very artifact, whatever its recipe.

        In the place of a registered model stands a folder, a .gguf file or a name on the hub as
        well (`harness.models.places`): it is registered by its last part, which is told.

        Raises:
            UserError: no or several readings, or no artifact of that digest; nothing at a place.
        """
        name = self._placed(name)
        if not self.is_made(name):
            return self.registry.resolve(name)
        return replace(self.registry.resolve(name.rpartition(MADE)[0]), name=name)

    def resolve_all(self, names: Sequence[str]) -> list[Resolved]:
        """Models of one run; the base of an adapter made elsewhere is among them, so that the
        board can say what the adapter changed."""
        from harness.models.served import is_served

        found: dict[str, Resolved] = {}
        for name in names:
            resolved = self.resolve(name)
            if resolved.adapter:
                base = resolved.model.name
                if is_served(resolved.model):
                    raise UserError(
                        f"{name}: an adapter over '{base}', whose weights are behind a server: it "
                        "cannot be put over them from here. Serve it under a name of its own, or "
                        "name the weights themselves: --base FOLDER."
                    )
                if base not in found and base not in names:
                    self.progress.say(
                        f"{resolved.name}: an adapter over {base}, which is asked too: the board "
                        "shows the difference"
                    )
                found.setdefault(base, self.resolve(base))
            found[resolved.name] = resolved
        return list(found.values())

    def _placed(self, text: str) -> str:
        """The name of what stands at a place, registered; any other name as it is."""
        from harness.models.places import is_place, read_place

        if text in self.registry.names("models") or not is_place(text):
            return text
        for known in self.registry.names("specializers"):
            rest = text.removeprefix(known)
            if rest != text and rest[0] in "-@":
                domain, dash, place = rest.partition("-")
                return f"{known}{domain}{dash}{self._placed(place)}"
        spec = read_place(text)
        if spec.kind == "adapter":
            spec = replace(spec, base=self._base_name(spec))
        if self.added.models.get(spec.name) == spec:
            return spec.name
        if spec.name in self.registry.names("models"):
            raise UserError(
                f"model '{text}' would be called '{spec.name}', which is another model here "
                f"({self.registry.origin('models', spec.name)}). Give it a name of its own: "
                f"my-{spec.name}={text.rpartition('=')[2]}"
            )
        self.register(spec)
        self.progress.say(f"{text}: called '{spec.name}' here and on boards")
        return spec.name

    def _base_name(self, adapter: ModelSpec) -> str:
        """The registered name of the weights that an adapter named by its place lies over."""
        from harness.models.adapters import made_from
        from harness.models.sources import stands_at
        from harness.models.table import builtin_models

        base = self._base or adapter.base
        if not base:
            raise UserError(
                f"model '{adapter.name}': its adapter_config.json names no base. Name it: "
                "--base MODEL"
            )
        if not self._base:
            # Trained over a registered model, it names that model's folder or its name on the hub.
            folder = Path(base).expanduser().absolute()
            known = {**builtin_models(), **self.config.models, **self.added.models}
            for name, spec in known.items():
                if spec.source.partition("@")[0] == f"hf:{base}" or stands_at(spec, folder):
                    return name
            made = made_from(Path(adapter.source.removeprefix("path:")))
            if made in self.registry.names("models"):
                return made
        try:
            return self._placed(base)
        except UserError as error:
            raise UserError(
                f"model '{adapter.name}': an adapter over '{base}': {error} Or name the base that "
                "is here: --base MODEL"
            ) from error

    def artifact(
        self,
        name: str,
        recipe: Recipe = Recipe(),
        changes: Mapping[str, str] | None = None,
        domain: Domain | None = None,
        make: int = 0,
    ) -> Artifact | None:
        """The artifact behind a model's name, made if needed; None for a base.

        Args:
            changes: parameters, on top of the recipe's.
            domain: in the place of the recipe's.
            make: which of the recipe's makes.
        """
        from harness.artifacts.make import artifact_digest, ensure, own_domain
        from harness.artifacts.makes import facts, seeded
        from harness.models.served import is_served
        from harness.pool import PooledBase

        resolved = self.resolve(name)
        if not resolved.specializer:
            return None
        if resolved.adapter:
            from harness.artifacts.given import take

            return take(resolved.adapter, self.pool.local(resolved.model), self.out / "artifacts")
        specializer = self.registry.specializer(resolved.specializer)
        if self.is_made(name):
            return self._made(name, resolved)
        if specializer.kind == "adapter" and is_served(resolved.model):
            raise UserError(behind_a_server(resolved))
        domain = domain or self.domain(resolved.domain, recipe)
        params = self.parameters(specializer, recipe, changes)
        base = PooledBase(self.pool, resolved.model)
        more = {}
        if make:
            first = artifact_digest(specializer, base, own_domain(specializer, domain), params)
            params = seeded(specializer, params, make, recipe.makes_of)
            more = facts(make, recipe.makes_of, first)
        root = self.out / "artifacts"
        return ensure(specializer, base, domain, params, root, self.progress, more)

    def several_makes(self, resolved: Resolved, recipe: Recipe) -> str:
        """Why a specialised model cannot be made several times; "" if it can, or is a base."""
        from harness.artifacts.makes import fixed

        if recipe.makes == 1 or not resolved.specializer:
            return ""
        if resolved.adapter or self.is_made(resolved.name):
            return (
                f"--makes: {resolved.name} is one artifact that is there already. Name the "
                "specializer and its base, such as selfspec-smollm2, or leave --makes out."
            )
        specializer = self.registry.specializer(resolved.specializer)
        return fixed(specializer, self.parameters(specializer, recipe), recipe.makes_of)

    def is_made(self, name: str) -> bool:
        """Whether a name is that of one artifact that is there: it ends with its digest."""
        return MADE in name and name not in self.registry.names("models")

    def _made(self, name: str, resolved: Resolved) -> Artifact:
        """The artifact whose digest a name ends with."""
        from harness.artifacts.make import read_artifact

        _, _, digest = name.rpartition(MADE)
        root = self.out / "artifacts"
        begin = f"{resolved.specializer}-{resolved.model.name}-"
        there = sorted(f.parent for f in root.glob(f"{begin}*/manifest.json"))
        found = [folder for folder in there if folder.name.removeprefix(begin).startswith(digest)]
        if len(found) != 1 or not digest:
            known = ", ".join(folder.name.removeprefix(begin) for folder in there) or "none"
            raise UserError(
                f"model '{name}': {len(found)} artifacts of digest '{digest}' in {root}; made of "
                f"'{resolved.model.name}' by '{resolved.specializer}' are: {known}."
            )
        return read_artifact(found[0])

    def trains(self, resolved: Resolved) -> bool:
        """Whether a model has weights of its own over its base's."""
        if resolved.adapter or not resolved.specializer:
            return bool(resolved.adapter)
        return self.registry.specializer(resolved.specializer).kind == "adapter"

    def parameters(
        self,
        specializer: Specializer,
        recipe: Recipe = Recipe(),
        changes: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The budget's parameters with what the recipe sets of this specializer, then `changes`."""
        from harness.artifacts.make import parameters

        known = self.registry.names("specializers")
        chosen = settings_of(recipe.settings, specializer.name, known)
        return parameters(specializer, recipe.budget, {**chosen, **(changes or {})})

    # -- what is recorded --------------------------------------------------

    def records(self, refused: list[str] | None = None) -> list[Record]:
        """Every record of the folder.

        Args:
            refused: gets a message for each record that was tampered with or cannot be
                read; without it they are raised.
        Raises:
            UserError: there is none, or one was tampered with.
        """
        from harness.record import read_records

        records = read_records(self.out / "runs", refused)
        if refused and not records:
            raise UserErrors(refused)
        if not records:
            raise UserError(
                f"{self.out / 'runs'}: no records. Run 'bench run --models ... --tasks ...' first, "
                "or name the folder with --out."
            )
        # A shared folder is anybody's, and pages and copies are written under these names.
        faults = [
            f"{self.out / 'runs'}: a record's {key} is {record.manifest.get(key)!r:.80}; expected "
            "a plain name of letters, digits and . _ - @ +. Remove that record."
            for record in records
            for key in ("model", "task")
            if not is_plain_name(record.manifest.get(key))
        ]
        if faults:
            raise UserErrors(faults)
        return records

    def board_spec(self, name: str, records: Sequence[Record]) -> BoardSpec:
        """The named board, else the folder's own declaration, else that of the records' suite."""
        from leaderboards.folder import own_spec
        from leaderboards.spec import board_of, load_board

        if name:
            return load_board(self.registry.board(name))
        return own_spec(self.out) or board_of(records)


_DEFAULT: dict[str, Workspace] = {}


def default_workspace() -> Workspace:
    """The one workspace of a program that opens none: the folder and bench.toml of a command.

    It is kept from call to call, so that what was registered stays known and loaded weights are
    used again; it is opened anew, with what was registered, where the working folder, BENCH_OUT
    or bench.toml changed.
    """
    file = Path.cwd() / CONFIG_NAME
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    state = repr((str(file), text, os.environ.get("BENCH_OUT")))
    if state not in _DEFAULT:
        added = next((old.added for old in _DEFAULT.values()), None)
        opened = Workspace(added=added)
        _DEFAULT.clear()
        _DEFAULT[state] = opened
    return _DEFAULT[state]


def out_folder(out: Path | str | None, config: Config) -> Path:
    """The folder of all results."""
    return Path(out or os.environ.get("BENCH_OUT") or config.defaults.out or "bench-out")


def settings_of(pairs: Sequence[str], specializer: str, known: Sequence[str]) -> dict[str, str]:
    """What settings say of one specializer: KEY=VALUE of all, NAME.KEY=VALUE of that one."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: expected KEY=VALUE, such as --set examples=50.")
        owner, dot, rest = key.rpartition(".")
        if dot and owner not in known:
            raise UserError(
                f"--set {pair}: unknown specializer '{owner}'.{did_you_mean(owner, known)} "
                f"It is one of: {', '.join(known)}."
            )
        if owner in ("", specializer):
            settings[rest] = value
    return settings


def quiet_libraries() -> None:
    """Our own progress is the only one; set before the libraries are imported.

    Writes environment variables that are not set, and ignores libraries' FutureWarnings, which
    are notes to each other's developers; the tests show them. Libraries that log without a handler
    get one that says nothing: Python would write their warnings to stderr. A program that has
    handlers of its own still gets them.
    """
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in _CHATTY:
        warnings.filterwarnings("ignore", module=rf"{name}\b")
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)


_CHATTY = ("accelerate", "bitsandbytes", "kernels", "peft", "sentence_transformers", "torch")
_QUIET: Mapping[str, str] = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "USE_HUB_KERNELS": "0",  # compiled code that a configuration names
}


def behind_a_server(resolved: Resolved) -> str:
    """Why a served model cannot be trained, and what can be done."""
    return (
        f"{resolved.name}: '{resolved.specializer}' trains weights, and those of "
        f"'{resolved.model.name}' are behind a server. Register the weights themselves "
        "(source = path: or hf:), or use a specializer that trains nothing, such as rag."
    )
