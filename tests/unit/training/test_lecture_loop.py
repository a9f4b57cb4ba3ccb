"""train and test against loops written out here, and the lecture's last cell on real images."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mlpcore.data.batches import RandomSampler
from mlpcore.data.datasets import ImageSplit, channel_statistics
from mlpcore.training import lecture_loop
from mlpcore.training.models import MLPnet


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> ImageSplit:
    """200 images of noise in 4 classes, each class a little brighter than the one before."""
    targets = torch.arange(200) % 4
    noise = torch.randint(0, 160, (200, 3, 32, 32), generator=seeded())
    return ImageSplit(
        data=(noise + 20 * targets.view(-1, 1, 1, 1)).to(torch.uint8), targets=targets, classes=tuple("abcd")
    )


def shown(images: ImageSplit) -> torch.Tensor:
    """All images as the network is shown them."""
    mean, std = (255 * statistic.view(3, 1, 1) for statistic in channel_statistics(images))
    return (images.data.float() - mean) / std


def small_net() -> MLPnet:
    return MLPnet(hidden_sizes=(16, 8), num_classes=4, generator=seeded(1), dropout_generator=seeded(2))


def same_parameters(model: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(ours, theirs) for ours, theirs in zip(model.parameters(), other.parameters(), strict=True))


def test_training_is_the_plain_loop_bit_for_bit(images):
    model, expected = small_net(), small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)
    result = lecture_loop.train(model, optimizer, scheduler, 35, RandomSampler(200, 32, generator=seeded(3)), images)

    inputs, sampler = shown(images), RandomSampler(200, 32, generator=seeded(3))
    plain = torch.optim.SGD(expected.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    for iteration in range(35):
        plain.param_groups[0]["lr"] = 0.1 * 0.5 ** (iteration // 10)
        index = next(sampler)
        plain.zero_grad()
        F.cross_entropy(expected(inputs[index]), images.targets[index]).backward()
        plain.step()

    assert result is model
    assert model.training
    assert same_parameters(model, expected)
    assert scheduler.get_last_lr() == [0.0125]


def test_full_batch_is_gradient_descent(images):
    model, expected = (MLPnet(hidden_sizes=(16,), num_classes=4, dropout=0.0, generator=seeded(1)) for _ in range(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lecture_loop.train(model, optimizer, None, 5, RandomSampler(len(images), len(images)), images)

    inputs = shown(images)
    for _ in range(5):
        loss = F.cross_entropy(expected(inputs), images.targets)
        gradients = torch.autograd.grad(loss, list(expected.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(expected.parameters(), gradients, strict=True):
                parameter.sub_(0.1 * gradient)
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_accuracy_is_the_share_of_right_answers_in_eval_mode(images):
    model = small_net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    lecture_loop.train(model, optimizer, None, 30, RandomSampler(200, 50, generator=seeded()), images)
    accuracy = lecture_loop.test(model, images, 64)
    assert model.training, "test leaves the mode as it was"

    right = model.eval()(shown(images)).argmax(dim=1) == images.targets
    assert isinstance(accuracy, float)
    assert accuracy == right.sum().item() / 200
    assert accuracy > 0.5
    assert {lecture_loop.test(model, images, size) for size in (1, 7, 200, 1000)} == {accuracy}


def test_test_images_are_normalised_with_the_training_images_statistics(images):
    model = small_net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    lecture_loop.train(model, optimizer, None, 30, RandomSampler(200, 50, generator=seeded()), images)
    darker = ImageSplit(data=images.data // 2, targets=images.targets, classes=images.classes)

    fresh = small_net()
    fresh.load_state_dict(model.state_dict())
    accuracy = lecture_loop.test(model, darker, 64)
    assert accuracy == lecture_loop.test(fresh, darker, 64, statistics=channel_statistics(images))
    assert accuracy != lecture_loop.test(fresh, darker, 64, statistics=channel_statistics(darker))


def test_images_permuted_by_the_lectures_own_load_data_train_alike(images):
    # the lecture makes (N, C, H, W) a view of torchvision's (N, H, W, C)
    pixels = torch.tensor(images.data.permute(0, 2, 3, 1).numpy())
    permuted = SimpleNamespace(data=torch.permute(pixels, dims=(0, 3, 1, 2)), targets=images.targets)
    models = []
    for dataset in (images, permuted):
        model = small_net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lecture_loop.train(model, optimizer, None, 20, RandomSampler(200, 32, generator=seeded()), dataset)
        models.append(model)
    assert same_parameters(*models)


def test_any_module_trains(images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
    lecture_loop.train(model, torch.optim.SGD(model.parameters(), lr=1e-2), None, 30, RandomSampler(200, 50), images)
    assert lecture_loop.test(model, images, 64) > 0.5


def test_neither_training_nor_test_touches_torchs_global_state(images):
    before = torch.get_rng_state()
    model = small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lecture_loop.train(model, optimizer, None, 5, RandomSampler(200, 32, generator=seeded()), images)
    lecture_loop.test(model, images, 64)
    assert torch.equal(torch.get_rng_state(), before)


def test_long_work_shows_a_progress_bar_unless_it_is_unwanted(images, capsys):
    model = small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lecture_loop.train(model, optimizer, None, 3, RandomSampler(200, 32), images, progress=False)
    lecture_loop.test(model, images, 64, progress=False)
    assert capsys.readouterr().err == ""
    lecture_loop.train(model, optimizer, None, 3, RandomSampler(200, 32), images)
    lecture_loop.test(model, images, 64)
    shown_bars = capsys.readouterr().err
    assert "3/3" in shown_bars
    assert "4/4" in shown_bars


def test_bad_arguments_are_refused_with_field_value_and_range(images):
    model = small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="train_iter is -1: it must be at least 0"):
        lecture_loop.train(model, optimizer, None, -1, RandomSampler(200, 32), images)
    with pytest.raises(ValueError, match="train_samp ended after 1 batches: train_iter is 3"):
        lecture_loop.train(model, optimizer, None, 3, [torch.arange(5)], images)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="scheduler is a ReduceLROnPlateau: it steps with a measured loss"):
        lecture_loop.train(model, optimizer, plateau, 3, RandomSampler(200, 32), images)
    with pytest.raises(ValueError, match="test_batch_size is 0: it must be at least 1"):
        lecture_loop.test(model, images, 0)
    with pytest.raises(ValueError, match="pass statistics=channel_statistics"):
        lecture_loop.test(small_net(), images, 64)


def test_the_lectures_last_cell_runs_on_real_images(real_images):
    import torch.optim as optim

    from mlpcore import MLPnet, RandomSampler, load_data, test, train

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)

        model = MLPnet()
        optimizer = optim.SGD(model.parameters(), lr=0.01)
        scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1000, gamma=0.5)

        dataset_path = real_images
        dataset_name = "cifar10-jpeg"
        train_dataset, test_dataset = load_data(dataset_name, dataset_path)

        train_batch_size = 64
        test_batch_size = 64
        train_iter = 3000
        train_samp = RandomSampler(len(train_dataset), train_batch_size)

        model = train(model, optimizer, scheduler, train_iter, train_samp, train_dataset)
        accuracy = test(model, test_dataset, test_batch_size)

    assert len(train_dataset) == 50_000
    assert len(test_dataset) == 10_000
    assert accuracy > 0.40
    assert scheduler.get_last_lr() == [0.00125]
