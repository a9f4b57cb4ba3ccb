"""Which device "auto" means: an accelerator only if it computes what the CPU computes."""

import pytest
import torch

from mlpcore.messages import SentenceError
from mlpcore.training import device as device_module
from mlpcore.training.device import choose_device, explain_device, list_devices, pick_device

CPU = torch.device("cpu")


def test_an_accelerator_that_passes_the_test_is_chosen() -> None:
    choice = choose_device("cuda", test=lambda _device: True)
    assert choice.device == torch.device("cuda")
    assert str(choice.reason) == "Runs train on cuda: a short test gave the same results there as on the CPU."


def test_one_that_computes_something_else_is_not() -> None:
    choice = choose_device("mps", test=lambda _device: False)
    assert choice.device == CPU
    assert str(choice.reason) == (
        "Runs train on the CPU: in a short test, the results on mps differed from those on the CPU."
    )


def test_one_that_fails_is_not(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_device: torch.device) -> bool:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    choice = choose_device("cuda", test=fail)
    assert choice.device == CPU
    assert str(choice.reason) == (
        "Runs train on the CPU: cuda failed in a short test. The server's log has the details."
    )
    assert "no kernel image" in caplog.text


def test_the_cpu_passes_the_test_and_a_wrong_product_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_module.is_correct(CPU)
    expected = device_module._train_small_cohort(CPU)
    assert len(expected) == 2 * 2 * 6
    assert expected[12] < expected[0]  # SGD learns, and so does Adam: where losses rise, rounding grows too
    assert expected[18] < expected[6]
    wrong = [*expected[:-1], 1.01 * expected[-1]]
    results = iter([wrong, expected])
    monkeypatch.setattr(device_module, "_train_small_cohort", lambda _device: next(results))
    assert not device_module.is_correct(CPU)


def test_it_is_tested_once_and_only_when_auto_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[str] = []

    def choose(name: str) -> device_module.DeviceChoice:
        tested.append(name)
        return choose_device(name, test=bool)

    monkeypatch.setattr(device_module, "_choice", None)
    monkeypatch.setattr(device_module, "list_devices", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(device_module, "choose_device", choose)
    assert pick_device("cpu") == CPU
    assert pick_device("cuda") == torch.device("cuda")
    assert str(explain_device("cuda")) == "Runs train on cuda, as chosen."
    assert tested == []
    assert pick_device() == pick_device("auto") == torch.device("cuda")
    assert tested == ["cuda"]


@pytest.mark.parametrize(("found", "names"), [(None, ["cpu"]), (torch.device("xpu"), ["xpu", "cpu"])])
def test_an_accelerator_comes_before_the_cpu(
    found: torch.device | None, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_options: found)
    assert list_devices() == names


@pytest.mark.skipif(list_devices() != ["cpu"], reason="this machine has an accelerator")
def test_without_an_accelerator_auto_is_the_cpu() -> None:
    assert pick_device() == CPU
    assert str(explain_device()) == "Runs train on the CPU: this machine has no accelerator that torch can use."
    with pytest.raises(SentenceError, match=r"^device is cuda: this machine has cpu\.$"):
        explain_device("cuda")
