"""The cells of an exported script that build the network, train it and print what is measured."""

from itertools import pairwise
from textwrap import indent

from mlpcore.data.catalog import BUILT_IN, FASHION_MNIST, MNIST
from mlpcore.export.script_text import Cell, Translate, fill, note
from mlpcore.recipes.recipe import Recipe

LINE = 116  # columns of a statement, which may stand indented
FUSED = ("SGD", "Adam", "AdamW", "Adagrad")  # the kernels that the playground trains with on the CPU

DROPOUT = """\
class Dropout(nn.Dropout):
    $what
    def __init__(self, p):
        super().__init__(p)
        self.generator = build_generator("dropout")

    def forward(self, x):
        if not self.training:
            return x
        keep = torch.rand(x.shape, generator=self.generator) >= self.p
        return x * (keep * (1 / (1 - self.p)))


"""

SAMPLER = """\
class RandomSampler:
    $what
    def __init__(self, num_samples, batch_size):
        self.num_samples = num_samples
        self.batch_size = batch_size

    def __iter__(self):
        generator = build_generator("batches")
        left = torch.empty(0, dtype=torch.int64)
        while True:
            if len(left) < self.batch_size:
                left = torch.cat([left, torch.randperm(self.num_samples, generator=generator)])
            yield left[: self.batch_size]
            left = left[self.batch_size :]
"""

TEST = """\
def test(model, dataset, test_batch_size=500):
    $what
    model.eval()
    losses, hits = [], 0
    with torch.no_grad():
        for start in range(0, len(dataset), test_batch_size):
            images, labels = dataset[start : start + test_batch_size]
            logits = model(normalise(images))
            loss = F.cross_entropy(logits, labels, reduction="none")
            losses.append(loss.sum(dtype=torch.float64).item())
            hits += (logits.argmax(dim=1) == labels).sum().item()
    model.train()
    return math.fsum(losses) / len(dataset), hits / len(dataset)
"""

TRAIN = """\
def train(model, optimizer$scheduler, train_iter, train_samp, train_dataset):
    model.train()
    losses = []
    for step, index in zip(range(1, train_iter + 1), train_samp):
        images, labels = train_dataset[index]
        optimizer.zero_grad()
        logits = model(normalise(images))
        loss = F.cross_entropy(logits, labels, reduction="none").mean()
        loss.backward()
$change        lr = optimizer.param_groups[0]["lr"]
        optimizer.step()
$scheduler_step        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            print(f"diverged at {step=}")
            break
        if step % eval_every == 0 or step == train_iter:
            train_loss = math.fsum(losses) / len(losses)
            train_eval_loss, train_acc = test(model, train_sample)
            test_loss, test_acc = test(model, test_dataset)
$validate            if not math.isfinite(train_eval_loss + test_loss$val_loss):
                print(f"diverged at {step=}")
                break
            measured = f"{step=} {train_loss=} {train_eval_loss=} {train_acc=} {test_loss=} {test_acc=}"
            print(f"{measured} {lr=}$val_shown")
            losses.clear()
    return model
"""

BUILD_SCHEDULER = """\
def build_scheduler(optimizer):
$body    return scheduler
"""

CHANGES = """\
$what
changes = {
$changes}


"""

CHANGE_KNOBS = """\
def apply_change(knobs, optimizer):
    for group in optimizer.param_groups:
        group.update(knobs)
$momentum"""

CHANGE_LR = """\
def apply_change(knobs, step, optimizer, scheduler):
    for group in optimizer.param_groups:
        group.update(knobs)
$momentum    if "lr" not in knobs:
        return scheduler
    $why
    for group in optimizer.param_groups:
        del group["initial_lr"]
    scheduler = build_scheduler(optimizer)
    for _ in range(step):
        scheduler.step()
    return scheduler
"""

MOMENTUM = """\
    if knobs.get("momentum"):
        for parameter, state in optimizer.state.items():
            state.setdefault("momentum_buffer", torch.zeros_like(parameter))
"""

RUN = """\
model = MLPnet($classes)
generator = build_generator("weights")
for layer in ($layers):
    bound = layer.in_features**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

$optimizer
$build_scheduler
train_batch_size = $batch_size
train_iter = $train_iter
eval_every = $eval_every
train_samp = RandomSampler(len(train_dataset), train_batch_size)

model = train(model, optimizer$scheduler, train_iter, train_samp, train_dataset)
"""


def training_cells(recipe: Recipe, translate: Translate) -> list[Cell]:
    """Write everything from the network to the call that trains it."""
    sampler = translate("Every image once an epoch, each epoch in a new order; a batch may span two of them.")
    return [
        Cell(translate("Model"), _model(recipe, translate)),
        Cell(translate("Mini-batches"), fill(SAMPLER, what=note(sampler, 4))),
        *([Cell(translate("Edits"), _changes(recipe, translate))] if recipe.changes else []),
        Cell(translate("Training and test"), _train(recipe, translate)),
        Cell(translate("Run"), _run(recipe)),
    ]


def _model(recipe: Recipe, translate: Translate) -> str:
    features = "28 * 28" if recipe.dataset in (FASHION_MNIST, MNIST) else "3 * 32 * 32"
    known = recipe.dataset in BUILT_IN  # of a folder, the classes are counted when it is read
    sizes = [features, *recipe.hidden_sizes, "10" if known else "num_classes"]
    init, forward = [], ["x = torch.flatten(x, 1)"]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        is_last = number == len(recipe.hidden_sizes) + 1
        if is_last and recipe.dropout:
            init.append(f"self.dropout = Dropout(p={recipe.dropout!r})")
            forward.append("x = self.dropout(x)")
        init.append(f"self.fc{number} = nn.Linear(in_features={inputs}, out_features={outputs})")
        forward.append(f"x = self.fc{number}(x)")
        if not is_last:
            forward.append(f"x = F.{recipe.activation}(x)")
    lines = [
        "class MLPnet(nn.Module):",
        f"    def __init__(self{'' if known else ', num_classes'}):",
        "        super().__init__()",
        *(f"        {line}" for line in init),
        "",
        "    def forward(self, x):",
        *(f"        {line}" for line in [*forward, "return x"]),
        "",
    ]
    what = translate("Switches units off at random in training, and scales the others up to make good for them.")
    return (fill(DROPOUT, what=note(what, 4)) if recipe.dropout else "") + "\n".join(lines)


def _train(recipe: Recipe, translate: Translate) -> str:
    what = translate("The mean loss and the accuracy, with all units on.")
    change = ""
    if recipe.changes:
        rebuilds = _rebuilds_scheduler(recipe)
        call = "scheduler = apply_change" if rebuilds else "apply_change"
        arguments = "changes[step - 1], step - 1, optimizer, scheduler" if rebuilds else "changes[step - 1], optimizer"
        change = f"        if step - 1 in changes:\n            {call}({arguments})\n"
    validates = recipe.validation_size > 0
    loop = fill(
        TRAIN,
        scheduler=_scheduler_argument(recipe),
        scheduler_step="        scheduler.step()\n" if _has_scheduler(recipe) else "",
        change=change,
        validate="            val_loss, val_acc = test(model, validation_dataset)\n" if validates else "",
        val_loss=" + val_loss" if validates else "",
        val_shown=" {val_loss=} {val_acc=}" if validates else "",
    )
    return "\n\n".join([fill(TEST, what=note(what, 4)), loop])


def _changes(recipe: Recipe, translate: Translate) -> str:
    what = translate("The knobs that were moved while the run went on, by the iterations that were done.")
    lines = [f"    {change.step}: {_as_dict(change.values)},\n" for change in recipe.changes]
    parts = [fill(CHANGES, what=note(what), changes="".join(lines))]
    sets_momentum = any(change.momentum for change in recipe.changes)
    momentum = MOMENTUM if recipe.optimizer.name == "RMSprop" and sets_momentum else ""
    if _rebuilds_scheduler(recipe):
        body = indent("".join(f"{line}\n" for line in _scheduler_lines(recipe)), " " * 4)
        parts.append(fill(BUILD_SCHEDULER, body=body) + "\n\n")
        why = translate("The rate goes on as if the schedule had begun with the new one.")
        parts.append(fill(CHANGE_LR, momentum=momentum, why=note(why, 4)))
    else:
        parts.append(fill(CHANGE_KNOBS, momentum=momentum))
    return "".join(parts)


def _as_dict(knobs: dict[str, float]) -> str:
    return "{" + ", ".join(f'"{name}": {value!r}' for name, value in knobs.items()) + "}"


def _run(recipe: Recipe) -> str:
    layers = [f"model.fc{number}" for number in range(1, len(recipe.hidden_sizes) + 2)]
    knobs = recipe.optimizer.model_dump(exclude={"name"})
    if recipe.optimizer.name in FUSED:
        knobs["fused"] = True
    rebuilds = _rebuilds_scheduler(recipe)
    lines = ["scheduler = build_scheduler(optimizer)"] if rebuilds else _scheduler_lines(recipe)
    return fill(
        RUN,
        classes="" if recipe.dataset in BUILT_IN else "num_classes",
        layers=", ".join(layers),
        optimizer=_call("optimizer", recipe.optimizer.name, "model.parameters()", knobs),
        build_scheduler="".join(f"{line}\n" for line in lines),
        batch_size=recipe.batch_size,
        train_iter=recipe.train_iter,
        eval_every=recipe.eval_every,
        scheduler=_scheduler_argument(recipe),
    )


def _has_scheduler(recipe: Recipe) -> bool:
    return recipe.scheduler.name != "none" or recipe.scheduler.warmup_iters > 0


def _scheduler_argument(recipe: Recipe) -> str:
    return ", scheduler" if _has_scheduler(recipe) else ""


def _rebuilds_scheduler(recipe: Recipe) -> bool:
    return _has_scheduler(recipe) and any(change.lr is not None for change in recipe.changes)


def _scheduler_lines(recipe: Recipe) -> list[str]:
    """The statements that build `scheduler`, none where there is none."""
    if not _has_scheduler(recipe):
        return []
    knobs = recipe.scheduler.model_dump(exclude={"name", "warmup_iters", "start_factor"})
    name, warmup_iters = recipe.scheduler.name, recipe.scheduler.warmup_iters
    if name == "none":
        name, knobs = "ConstantLR", {"factor": 1.0, "total_iters": 0}
    if name == "OneCycleLR":
        peak = {"max_lr": 'optimizer.param_groups[0]["lr"]', "total_steps": recipe.train_iter - warmup_iters}
        knobs |= peak | {"cycle_momentum": False}
    main = _call("scheduler", f"lr_scheduler.{name}", "optimizer", knobs)
    if not warmup_iters:
        return [main]
    warmup = {"start_factor": recipe.scheduler.start_factor, "total_iters": warmup_iters}
    return [
        main,
        _call("warmup", "lr_scheduler.LinearLR", "optimizer", warmup),
        f"scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warmup, scheduler], milestones=[{warmup_iters}])",
    ]


def _call(target: str, function: str, first: str, knobs: dict[str, object]) -> str:
    """Write `target = optim.function(first, …)`; a string among the knobs is code already."""
    values = [f"{knob}={value if isinstance(value, str) else repr(value)}" for knob, value in knobs.items()]
    line = f"{target} = optim.{function}({', '.join([first, *values])})"
    if len(line) <= LINE:
        return line
    return f"{target} = optim.{function}(\n" + "".join(f"    {part},\n" for part in [first, *values]) + ")"
