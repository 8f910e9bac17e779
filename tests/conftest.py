"""What holds for every test."""

import gc
import os
import sys

import pytest
from hypothesis import settings

# No test asserts a time: a busy machine must not fail one.
# One seed, so that what passed passes again; `make fuzz`, nightly, tries others (FUZZ_SEED=random).
settings.register_profile(
    "untimed", deadline=None, derandomize=os.environ.get("FUZZ_SEED") != "random"
)
settings.load_profile("untimed")


# Files of half a minute and more, the longest first. One that begins last is waited for by all.
LONG = (
    "test_way_through", "test_parallel", "test_small", "test_engine", "test_thirdparty",
    "test_large_models", "test_trainer", "test_table", "test_cli", "test_resume",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the others run beside them."""
    last = len(LONG)
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, last))


class Imported:
    """Sets aside what imports left, so that no search for garbage goes through it again.

    torch, transformers and what they bring are a million objects: searching them took half a
    second, at each training and each release of a model.
    """

    modules = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if len(sys.modules) > self.modules + 20:
            gc.collect()
            gc.freeze()
            self.modules = len(sys.modules)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Imported())
