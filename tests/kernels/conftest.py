"""The tests of this folder run the CPU kernels, or are skipped where these cannot be built."""

import pytest

from spikedistill.kernels import build, choice


@pytest.fixture
def cpu_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = build.load()
    if reason is not None:
        pytest.skip(f"no CPU kernels: {reason}")
    monkeypatch.setenv(choice.VARIABLE, "cpu")
