"""The rules of the optimizers that scale each parameter's step by the size of its gradients."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcore.concepts.formulas import FormulaLine, fill_line
from mlpcore.concepts.optimizer_state import OptimizerState
from mlpcore.recipes.optimizers import Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop

Step = tuple[OptimizerState, list[FormulaLine]]
Rule = Callable[[Any, OptimizerState, float], Step]  # takes the optimizer, the state before and the gradient


def _adam(optimizer: Adam | AdamW, state: OptimizerState, gradient: float) -> Step:
    t, old, (first, second) = state.step, state.parameter, optimizer.betas
    state, lines = _average(optimizer.betas, state, gradient)
    mean_hat, square, name = state.mean / (1 - first**t), state.square, f"v_{t}"
    named = {"first": first, "second": second, "mean": state.mean, "before": state.greatest, "square": square}
    lines.append(
        fill_line(rf"\hat m_{t}", rf"m_{t} / (1 - \beta_1^{t})", rf"<mean> / (1 - <first>^{t})", mean_hat, **named)
    )
    if optimizer.amsgrad:
        square, name = max(state.greatest, square), rf"v^{{\max}}_{t}"
        rule = rf"\max(v^{{\max}}_{t - 1},\; v_{t})"
        lines.append(fill_line(name, rule, r"\max(<before!>,\; <square!>)", square, **named))
        state = replace(state, greatest=square)
    square_hat = square / (1 - second**t)
    named |= {"square": square, "old": old, "lr": optimizer.lr, "eps": optimizer.eps}
    new = old - optimizer.lr * mean_hat / (math.sqrt(square_hat) + optimizer.eps)
    lines += [
        fill_line(
            rf"\hat v_{t}", rf"{name} / (1 - \beta_2^{t})", rf"<square> / (1 - <second>^{t})", square_hat, **named
        ),
        fill_line(
            rf"\theta_{t}",
            rf"{state.symbol} - \eta\,\hat m_{t} / (\sqrt{{\hat v_{t}}} + \varepsilon)",
            r"<old> - <lr> \cdot <mean_hat> / (\sqrt{<square_hat>} + <eps!>)",
            new,
            **named,
            mean_hat=mean_hat,
            square_hat=square_hat,
        ),
    ]
    return replace(state, parameter=new), lines


def _nadam(optimizer: NAdam, state: OptimizerState, gradient: float) -> Step:
    t, old, (first, second), decay = state.step, state.parameter, optimizer.betas, optimizer.momentum_decay
    now, following = (first * (1 - 0.5 * 0.96 ** (step * decay)) for step in (t, t + 1))
    state, lines = _average(optimizer.betas, state, gradient)
    product = float(np.float32(state.product) * np.float32(now))  # torch keeps it in float32
    square_hat = state.square / (1 - second**t)
    ahead = following * state.mean / (1 - product * following) + (1 - now) * gradient / (1 - product)
    new = old - optimizer.lr * ahead / (math.sqrt(square_hat) + optimizer.eps)
    named = {"first": first, "second": second, "decay": decay, "now": now, "next": following, "product": product}
    named |= {"mean": state.mean, "square": state.square, "square_hat": square_hat, "gradient": gradient}
    named |= {"ahead": ahead, "old": old, "lr": optimizer.lr, "eps": optimizer.eps}
    lines += [
        fill_line(
            rf"\mu_{t}",
            rf"\beta_1 (1 - \tfrac12 \cdot 0.96^{{{t} \psi}})",
            rf"<first> \cdot (1 - \tfrac12 \cdot 0.96^{{{t} \cdot <decay!>}})",
            now,
            **named,
        ),
        fill_line(
            rf"\bar m_{t}",
            rf"\frac{{\mu_{t + 1}\,m_{t}}}{{1 - \mu_1 \cdots \mu_{t + 1}}}"
            rf" + \frac{{(1 - \mu_{t})\,g_{t}}}{{1 - \mu_1 \cdots \mu_{t}}}",
            r"\frac{<next> \cdot <mean>}{1 - <product> \cdot <next>}"
            r" + \frac{(1 - <now>) \cdot <gradient>}{1 - <product>}",
            ahead,
            **named,
        ),
        fill_line(
            rf"\hat v_{t}", rf"v_{t} / (1 - \beta_2^{t})", rf"<square> / (1 - <second>^{t})", square_hat, **named
        ),
        fill_line(
            rf"\theta_{t}",
            rf"{state.symbol} - \eta\,\bar m_{t} / (\sqrt{{\hat v_{t}}} + \varepsilon)",
            r"<old> - <lr> \cdot <ahead> / (\sqrt{<square_hat>} + <eps!>)",
            new,
            **named,
        ),
    ]
    return replace(state, parameter=new, product=product), lines


def _radam(optimizer: RAdam, state: OptimizerState, gradient: float) -> Step:
    t, old, (first, second) = state.step, state.parameter, optimizer.betas
    state, lines = _average(optimizer.betas, state, gradient)
    mean_hat = state.mean / (1 - first**t)
    longest = 2 / (1 - second) - 1
    length = longest - 2 * t * second**t / (1 - second**t)
    named = {"first": first, "second": second, "mean": state.mean, "longest": longest, "mean_hat": mean_hat}
    named |= {"old": old, "lr": optimizer.lr}
    lines += [
        fill_line(rf"\hat m_{t}", rf"m_{t} / (1 - \beta_1^{t})", rf"<mean> / (1 - <first>^{t})", mean_hat, **named),
        fill_line(
            rf"\rho_{t}",
            rf"\rho_\infty - 2 \cdot {t}\,\beta_2^{t} / (1 - \beta_2^{t})",
            rf"<longest> - 2 \cdot {t} \cdot <second>^{t} / (1 - <second>^{t})",
            length,
            **named,
        ),
    ]
    if length <= 5:
        new = old - optimizer.lr * mean_hat
        rule = rf"{state.symbol} - \eta\,\hat m_{t} \quad (\rho_{t} \le 5)"
        lines.append(fill_line(rf"\theta_{t}", rule, r"<old> - <lr> \cdot <mean_hat>", new, **named))
        return replace(state, parameter=new), lines
    share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    rectified, correction = math.sqrt(share), math.sqrt(1 - second**t)
    new = old - optimizer.lr * mean_hat * rectified * correction / (math.sqrt(state.square) + optimizer.eps)
    named |= {"length": length, "rectified": rectified, "square": state.square, "eps": optimizer.eps}
    lines += [
        fill_line(
            f"r_{t}",
            rf"\sqrt{{\tfrac{{(\rho_{t} - 4)(\rho_{t} - 2)\,\rho_\infty}}"
            rf"{{(\rho_\infty - 4)(\rho_\infty - 2)\,\rho_{t}}}}}",
            r"\sqrt{\tfrac{(<length> - 4)(<length> - 2) \cdot <longest>}"
            r"{(<longest> - 4)(<longest> - 2) \cdot <length>}}",
            rectified,
            **named,
        ),
        fill_line(
            rf"\theta_{t}",
            rf"{state.symbol} - \eta\,\hat m_{t}\,r_{t} \sqrt{{1 - \beta_2^{t}}} / (\sqrt{{v_{t}}} + \varepsilon)",
            rf"<old> - <lr> \cdot <mean_hat> \cdot <rectified> \cdot \sqrt{{1 - <second>^{t}}}"
            r" / (\sqrt{<square>} + <eps!>)",
            new,
            **named,
        ),
    ]
    return replace(state, parameter=new), lines


def _adamax(optimizer: Adamax, state: OptimizerState, gradient: float) -> Step:
    t, old, (first, second) = state.step, state.parameter, optimizer.betas
    mean = first * state.mean + (1 - first) * gradient
    largest = max(second * state.square, abs(gradient) + optimizer.eps)
    new = old - optimizer.lr / (1 - first**t) * mean / largest
    named = {"first": first, "second": second, "before": state.square, "gradient": abs(gradient), "mean": mean}
    named |= {"eps": optimizer.eps, "old": old, "lr": optimizer.lr, "largest": largest}
    lines = [
        _mean_line(first, state, gradient, mean),
        fill_line(
            f"u_{t}",
            rf"\max(\beta_2\,u_{t - 1},\; |g_{t}| + \varepsilon)",
            r"\max(<second> \cdot <before>,\; <gradient> + <eps!>)",
            largest,
            **named,
        ),
        fill_line(
            rf"\theta_{t}",
            rf"\theta_{t - 1} - \eta / (1 - \beta_1^{t}) \cdot m_{t} / u_{t}",
            rf"<old> - <lr> / (1 - <first>^{t}) \cdot <mean> / <largest>",
            new,
            **named,
        ),
    ]
    return replace(state, parameter=new, mean=mean, square=largest), lines


def _adadelta(optimizer: Adadelta, state: OptimizerState, gradient: float) -> Step:
    t, old, rho, eps = state.step, state.parameter, optimizer.rho, optimizer.eps
    square = rho * state.square + (1 - rho) * gradient**2
    step = math.sqrt(state.moved + eps) / math.sqrt(square + eps) * gradient
    moved = rho * state.moved + (1 - rho) * step**2
    new = old - optimizer.lr * step
    named = {"rho": rho, "rest": 1 - rho, "gradient": gradient, "before": state.square, "square": square, "eps": eps}
    named |= {"moved": state.moved, "step": step, "old": old, "lr": optimizer.lr}
    lines = [
        fill_line(
            f"v_{t}",
            rf"\rho\,v_{t - 1} + (1 - \rho)\,g_{t}^2",
            r"<rho> \cdot <before> + <rest> \cdot <gradient>^2",
            square,
            **named,
        ),
        fill_line(
            rf"\Delta_{t}",
            rf"\sqrt{{d_{t - 1} + \varepsilon}} / \sqrt{{v_{t} + \varepsilon}} \cdot g_{t}",
            r"\sqrt{<moved> + <eps!>} / \sqrt{<square> + <eps!>} \cdot <gradient>",
            step,
            **named,
        ),
        fill_line(
            f"d_{t}",
            rf"\rho\,d_{t - 1} + (1 - \rho)\,\Delta_{t}^2",
            r"<rho> \cdot <moved> + <rest> \cdot <step>^2",
            moved,
            **named,
        ),
        fill_line(rf"\theta_{t}", rf"\theta_{t - 1} - \eta\,\Delta_{t}", r"<old> - <lr> \cdot <step>", new, **named),
    ]
    return replace(state, parameter=new, square=square, moved=moved), lines


def _rmsprop(optimizer: RMSprop, state: OptimizerState, gradient: float) -> Step:
    t, old, alpha, momentum = state.step, state.parameter, optimizer.alpha, optimizer.momentum
    square = alpha * state.square + (1 - alpha) * gradient**2
    named = {"alpha": alpha, "rest": 1 - alpha, "before": state.square, "gradient": gradient, "square": square}
    named |= {"eps": optimizer.eps, "old": old, "lr": optimizer.lr, "momentum": momentum, "buffer": state.buffer}
    numbers = r"<alpha> \cdot <before> + <rest> \cdot <gradient>^2"
    lines = [fill_line(f"v_{t}", rf"\alpha\,v_{t - 1} + (1 - \alpha)\,g_{t}^2", numbers, square, **named)]
    step = gradient / (math.sqrt(square) + optimizer.eps)
    scaled, scaled_numbers = rf"g_{t} / (\sqrt{{v_{t}}} + \varepsilon)", r"<gradient> / (\sqrt{<square>} + <eps!>)"
    if momentum:
        step += momentum * state.buffer
        rule, numbers = rf"\mu\,b_{t - 1} + {scaled}", rf"<momentum> \cdot <buffer> + {scaled_numbers}"
        lines.append(fill_line(f"b_{t}", rule, numbers, step, **named))
        scaled, scaled_numbers = f"b_{t}", "<step>"
    new = old - optimizer.lr * step
    rule, numbers = rf"\theta_{t - 1} - \eta\,{scaled}", rf"<old> - <lr> \cdot {scaled_numbers}"
    lines.append(fill_line(rf"\theta_{t}", rule, numbers, new, **named, step=step))
    return replace(state, parameter=new, square=square, buffer=step if momentum else 0.0), lines


def _adagrad(optimizer: Adagrad, state: OptimizerState, gradient: float) -> Step:
    t, old, square = state.step, state.parameter, state.square + gradient**2
    rate, name, lines = optimizer.lr, r"\eta", []
    named = {"before": state.square, "gradient": gradient, "square": square, "eps": optimizer.eps, "old": old}
    named |= {"lr": optimizer.lr, "decay": optimizer.lr_decay}
    if optimizer.lr_decay:
        rate, name = optimizer.lr / (1 + (t - 1) * optimizer.lr_decay), rf"\eta_{t}"
        numbers = rf"<lr> / (1 + {t - 1} \cdot <decay>)"
        lines.append(fill_line(name, rf"\eta / (1 + {t - 1}\,\delta)", numbers, rate, **named))
    new = old - rate * gradient / (math.sqrt(square) + optimizer.eps)
    lines += [
        fill_line(f"s_{t}", rf"s_{t - 1} + g_{t}^2", "<before> + <gradient>^2", square, **named),
        fill_line(
            rf"\theta_{t}",
            rf"\theta_{t - 1} - {name}\,g_{t} / (\sqrt{{s_{t}}} + \varepsilon)",
            r"<old> - <rate> \cdot <gradient> / (\sqrt{<square>} + <eps!>)",
            new,
            **named,
            rate=rate,
        ),
    ]
    return replace(state, parameter=new, square=square), lines


def _average(betas: tuple[float, float], state: OptimizerState, gradient: float) -> Step:
    """Update the running means of the gradient and of its square."""
    t, (first, second) = state.step, betas
    mean = first * state.mean + (1 - first) * gradient
    square = second * state.square + (1 - second) * gradient**2
    named = {"second": second, "rest": 1 - second, "gradient": gradient, "before": state.square}
    lines = [
        _mean_line(first, state, gradient, mean),
        fill_line(
            f"v_{t}",
            rf"\beta_2 v_{t - 1} + (1 - \beta_2)\,g_{t}^2",
            r"<second> \cdot <before> + <rest> \cdot <gradient>^2",
            square,
            **named,
        ),
    ]
    return replace(state, mean=mean, square=square), lines


def _mean_line(beta: float, state: OptimizerState, gradient: float, mean: float) -> FormulaLine:
    t, named = state.step, {"beta": beta, "rest": 1 - beta, "gradient": gradient, "before": state.mean}
    rule = rf"\beta_1 m_{t - 1} + (1 - \beta_1)\,g_{t}"
    return fill_line(f"m_{t}", rule, r"<beta> \cdot <before> + <rest> \cdot <gradient>", mean, **named)


RULES: dict[str, Rule] = {
    "Adam": _adam,
    "AdamW": _adam,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "NAdam": _nadam,
    "RAdam": _radam,
    "Adamax": _adamax,
    "Adadelta": _adadelta,
}
