"""The base that these trainings start from."""

from pathlib import Path

import pytest

from tests.specializers.tiny import save_model


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Llama of two layers; no test writes into it."""
    return save_model(tmp_path_factory.mktemp("llama"))
