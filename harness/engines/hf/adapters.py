"""LoRA adapters over one model, switched in place or row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.doors.model import check_adapter
from harness.errors import MissingExtra, UserError, out_of_memory


class Adapters:
    """LoRA adapters over one loaded model: each loaded once, switched in place.

    The base model is the same modules with every adapter disabled, which is
    bit for bit the model before any was loaded.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._names: dict[Path, str] = {}
        self._peft: Any = None

    def use(self, adapter: Path | None) -> None:
        """Make the model answer as base (None) or with `adapter` (a peft folder)."""
        if adapter is None:
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
            return
        adapter = adapter.resolve()
        if adapter not in self._names:
            self._load(adapter)
        self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(self._names[adapter])
        self._peft.eval()

    def mixes(self, adapters: Iterable[Path | None]) -> bool:
        """Whether rows of one batch may each have another of these; they are loaded for that.

        peft mixes plain LoRA, and neither DoRA nor modules or parameters trained whole.
        """
        for adapter in adapters:
            self.use(adapter)
        if self._peft is None:
            return True
        kinds = {type(module).__name__ for module in self._peft.modules()}
        return "ParamWrapper" not in kinds and not any(
            config.use_dora or config.modules_to_save or config.trainable_token_indices
            for config in self._peft.peft_config.values()
        )

    def over_rows(self, adapters: Sequence[Path | None]) -> tuple[Any, dict[str, Any]]:
        """The model to call with the rows of a batch, each with its adapter, and what to pass it.

        All must be loaded.
        """
        if len(set(adapters)) == 1:
            self.use(adapters[0])
            return self._model, {}
        self._peft.base_model.enable_adapter_layers()
        names = [self._names[one.resolve()] if one else "__base__" for one in adapters]
        return self._peft, {"adapter_names": names}

    def _load(self, adapter: Path) -> None:
        try:
            from peft import PeftModel
        except ImportError as error:
            raise MissingExtra("peft", "train", "running an adapter") from error
        check_adapter(adapter)
        name = f"adapter{len(self._names)}"
        try:
            held = _tensors(adapter)
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(self._model, str(adapter), adapter_name=name)
            else:
                self._peft.load_adapter(str(adapter), adapter_name=name)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            if out_of_memory(error):
                raise
            raise UserError(_unfit_adapter(adapter, " ".join(str(error).split())[:300])) from error
        # peft leaves what it does not find as it was made: an adapter that does nothing there.
        if missing := sorted(_wanted(self._peft, name) - held):
            raise UserError(_unfit_adapter(adapter, f"no tensors {', '.join(missing[:3])}"))
        if unknown := sorted(held - _wanted(self._peft, name)):
            raise UserError(
                _unfit_adapter(adapter, f"tensors the model has no place for: {unknown[0]}")
            )
        self._names[adapter] = name


def _tensors(adapter: Path) -> set[str]:
    """The names of an adapter's tensors. Pickled ones (.bin) could run code and are refused."""
    from safetensors import SafetensorError, safe_open

    path = adapter / "adapter_model.safetensors"
    if not path.is_file():
        raise UserError(
            f"{adapter} has no {path.name}; expected the weights as safetensors (pickled .bin "
            "files can run code and are refused). Save the adapter again with peft."
        )
    try:
        with safe_open(path, framework="pt") as file:
            return {str(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise UserError(_unfit_adapter(adapter, f"a damaged {path.name} ({error})")) from error


def _wanted(model: Any, name: str) -> set[str]:
    from peft import get_peft_model_state_dict

    return set(get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False))


def _unfit_adapter(adapter: Path, found: str) -> str:
    return (
        f"{adapter} does not fit the model it is put over: found {found}. Expected an adapter "
        "trained on these weights, whole. Name its own base, or make it again."
    )
