"""Recipes of the tests are remembered where nobody looks for them."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _state(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
