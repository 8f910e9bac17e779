"""What holds for every test."""

import pytest
from hypothesis import settings

# No test asserts a time: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first, so that the others run beside it."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
