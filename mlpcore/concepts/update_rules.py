"""The update rules written out for one parameter: each line as a formula, with its numbers, and its value.

The rules and their order of operations are torch.optim's; a test compares the two.
"""

import math
import re
import sys
from dataclasses import replace

import numpy as np

from mlpcore.concepts import adaptive_rules
from mlpcore.concepts.adaptive_rules import Rule, Step
from mlpcore.concepts.formulas import fill_line
from mlpcore.concepts.optimizer_state import OptimizerState
from mlpcore.recipes.optimizers import ASGD, SGD, Adafactor, AnyOptimizer, Muon, Rprop

EPSILON = sys.float_info.epsilon  # Adafactor's smallest root mean square: torch takes that of the parameter's type
SMALLEST_WEIGHT = 1e-3  # Adafactor's second eps: a weight counts as at least so large
LEAST_LENGTH = 1e-7  # Muon's eps: a matrix counts as at least so long
NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)  # Muon's ns_coefficients, of x, x³ and x⁵


def apply_update_rule(optimizer: AnyOptimizer, state: OptimizerState, gradient: float) -> Step:
    """Take one step of an optimizer in RULES; return the new state and the lines that compute it.

    gradient: of the loss alone; weight decay is added here, as torch.optim does.
    """
    t, old, decay = state.step + 1, state.parameter, optimizer.weight_decay
    named = {"gradient": gradient, "decay": decay, "old": old, "lr": optimizer.lr}
    state = replace(state, step=t)
    if optimizer.name in ("AdamW", "Adafactor", "Muon") or getattr(optimizer, "decoupled_weight_decay", False):
        shrunk = old * (1 - optimizer.lr * decay)
        rule = rf"(1 - \eta\,\lambda)\,\theta_{t - 1}"
        lines = [
            fill_line(rf"\theta'_{t - 1}", rule, r"(1 - <lr> \cdot <decay>) \cdot <old>", shrunk, **named),
            fill_line(f"g_{t}", r"\nabla L", "<gradient!>", gradient, **named),
        ]
        state = replace(state, parameter=shrunk, undecayed=old, symbol=rf"\theta'_{t - 1}")
    elif "weight_decay" not in type(optimizer).model_fields:
        lines = [fill_line(f"g_{t}", r"\nabla L", "<gradient!>", gradient, **named)]
    else:
        rule, numbers = rf"\nabla L + \lambda\,\theta_{t - 1}", r"<gradient> + <decay> \cdot <old>"
        gradient += decay * old
        lines = [fill_line(f"g_{t}", rule, numbers, gradient, **named)]
        state = replace(state, symbol=rf"\theta_{t - 1}")
    state, following = RULES[optimizer.name](optimizer, state, gradient)
    return state, lines + following


def _sgd(optimizer: SGD, state: OptimizerState, gradient: float) -> Step:
    t, old, momentum, lines = state.step, state.parameter, optimizer.momentum, []
    named = {"old": old, "gradient": gradient, "momentum": momentum, "lr": optimizer.lr}
    direction, name = gradient, f"g_{t}"
    if momentum:
        buffer = momentum * state.buffer + gradient
        numbers = r"<momentum> \cdot <before> + <gradient>"
        rule = rf"\mu\,b_{t - 1} + g_{t}"
        lines.append(fill_line(f"b_{t}", rule, numbers, buffer, before=state.buffer, **named))
        state, direction, name = replace(state, buffer=buffer), buffer, f"b_{t}"
        if optimizer.nesterov:
            direction, name = gradient + momentum * buffer, f"d_{t}"
            numbers = r"<gradient> + <momentum> \cdot <buffer>"
            lines.append(fill_line(name, rf"g_{t} + \mu\,b_{t}", numbers, direction, buffer=buffer, **named))
    new = old - optimizer.lr * direction
    numbers = r"<old> - <lr> \cdot <direction>"
    rule = rf"\theta_{t - 1} - \eta\,{name}"
    lines.append(fill_line(rf"\theta_{t}", rule, numbers, new, direction=direction, **named))
    return replace(state, parameter=new), lines


def _asgd(optimizer: ASGD, state: OptimizerState, gradient: float) -> Step:
    t, old, lambd = state.step, state.parameter, optimizer.lambd
    rate = float(np.float32(optimizer.lr / (1 + lambd * optimizer.lr * (t - 1)) ** optimizer.alpha))  # as torch has it
    new = old * (1 - lambd * rate) - rate * gradient
    named = {"lr": optimizer.lr, "lambd": lambd, "power": optimizer.alpha, "old": old}
    named |= {"rate": rate, "gradient": gradient}
    numbers = rf"<lr> / (1 + <lambd> \cdot <lr> \cdot {t - 1})^{{<power!>}}"
    return replace(state, parameter=new), [
        fill_line(rf"\eta_{t}", rf"\eta / (1 + \lambda_A\,\eta\,{t - 1})^\alpha", numbers, rate, **named),
        fill_line(
            rf"\theta_{t}",
            rf"(1 - \lambda_A\,\eta_{t})\,\theta_{t - 1} - \eta_{t}\,g_{t}",
            r"(1 - <lambd> \cdot <rate>) \cdot <old> - <rate> \cdot <gradient>",
            new,
            **named,
        ),
    ]


def _adafactor(optimizer: Adafactor, state: OptimizerState, gradient: float) -> Step:
    t, old, power = state.step, state.parameter, optimizer.beta2_decay
    # the sum that is shown would lose a small square beside a large one before it
    square = (1 - t**power) * state.square + t**power * gradient**2
    scaled = gradient / max(math.sqrt(square), EPSILON)
    rate = max(SMALLEST_WEIGHT, abs(state.undecayed)) * min(optimizer.lr, t**-0.5)
    new = old - rate * scaled / max(1.0, abs(scaled) / optimizer.d)
    named = {"before": state.square, "gradient": gradient, "power": power, "square": square, "scaled": scaled}
    named |= {"weight": abs(state.undecayed), "lr": optimizer.lr, "rate": rate, "old": old, "d": optimizer.d}
    named |= {"size": abs(scaled), "smallest": SMALLEST_WEIGHT}
    return replace(state, parameter=new, square=square), [
        fill_line(
            f"v_{t}",
            rf"v_{t - 1} + (g_{t}^2 - v_{t - 1}) \cdot {t}^\tau",
            rf"<before> + (<gradient>^2 - <before>) \cdot {t}^{{<power!>}}",
            square,
            **named,
        ),
        fill_line(f"u_{t}", rf"g_{t} / \sqrt{{v_{t}}}", r"<gradient> / \sqrt{<square>}", scaled, **named),
        fill_line(
            rf"\alpha_{t}",
            rf"\max(\varepsilon_2,\; |\theta_{t - 1}|) \cdot \min(\eta,\; 1 / \sqrt{{{t}}})",
            rf"\max(<smallest!>,\; <weight!>) \cdot \min(<lr!>,\; 1 / \sqrt{{{t}}})",
            rate,
            **named,
        ),
        fill_line(
            rf"\theta_{t}",
            rf"{state.symbol} - \alpha_{t}\,u_{t} / \max(1,\; |u_{t}| / d)",
            r"<old> - <rate> \cdot <scaled> / \max(1,\; <size!> / <d!>)",
            new,
            **named,
        ),
    ]


def _muon(optimizer: Muon, state: OptimizerState, gradient: float) -> Step:
    """Take the parameter as a matrix of 1 × 1."""
    t, old, momentum = state.step, state.parameter, optimizer.momentum
    buffer = momentum * state.buffer + (1 - momentum) * gradient
    named = {"momentum": momentum, "rest": 1 - momentum, "before": state.buffer, "gradient": gradient, "old": old}
    named |= {"buffer": buffer, "lr": optimizer.lr, "least": LEAST_LENGTH}
    numbers = r"<momentum> \cdot <before> + <rest> \cdot <gradient>"
    lines = [fill_line(f"b_{t}", rf"\mu\,b_{t - 1} + (1 - \mu)\,g_{t}", numbers, buffer, **named)]
    direction, name = buffer, f"b_{t}"
    if optimizer.nesterov:
        direction, name = momentum * buffer + (1 - momentum) * gradient, f"d_{t}"
        numbers = r"<momentum> \cdot <buffer> + <rest> \cdot <gradient>"
        lines.append(fill_line(name, rf"\mu\,b_{t} + (1 - \mu)\,g_{t}", numbers, direction, **named))
    orthogonal = _orthogonalise(direction)
    factor, scale = 1.0, r"\sqrt{\max(1,\; A / B)}"
    if optimizer.adjust_lr_fn == "match_rms_adamw":
        factor, scale = 0.2, r"0.2 \sqrt{\max(A,\; B)}"
    rate = optimizer.lr * factor
    new = old - rate * orthogonal
    named |= {"direction": direction, "length": abs(direction), "orthogonal": orthogonal, "rate": rate}
    return replace(state, parameter=new, buffer=buffer), [
        *lines,
        fill_line(
            f"O_{t}",
            rf"\operatorname{{NS}}_5({name} / \max(|{name}|,\; \varepsilon))",
            r"\operatorname{NS}_5(<direction> / \max(<length!>,\; <least!>))",
            orthogonal,
            **named,
        ),
        fill_line(r"\eta'", rf"\eta \cdot {scale}", rf"<lr> \cdot {re.sub('[AB]', '1', scale)}", rate, **named),
        fill_line(
            rf"\theta_{t}", rf"{state.symbol} - \eta'\,O_{t}", r"<old> - <rate> \cdot <orthogonal>", new, **named
        ),
    ]


def _orthogonalise(number: float) -> float:
    """Make a 1 × 1 matrix nearly orthogonal, as torch does: five Newton–Schulz iterations, rounded as it rounds."""
    first, third, fifth = NEWTON_SCHULZ
    rounded = _round_to_bfloat16(number)
    result = _round_to_bfloat16(rounded / max(abs(rounded), _round_to_bfloat16(LEAST_LENGTH)))
    for _iteration in range(5):
        square = _round_to_bfloat16(result**2)
        result = _round_to_bfloat16(first * result + _round_to_bfloat16(third * square + fifth * square**2) * result)
    return result


def _round_to_bfloat16(number: float) -> float:
    mantissa, exponent = math.frexp(number)
    return math.ldexp(round(mantissa * 2**8), exponent - 8)


def _rprop(optimizer: Rprop, state: OptimizerState, gradient: float) -> Step:
    t, old, (least, most) = state.step, state.parameter, optimizer.step_sizes
    before, size_before = (state.size, rf"\Delta_{t - 1}") if t > 1 else (optimizer.lr, r"\eta")
    agreement, (shrink, grow) = gradient * state.kept, optimizer.etas
    factor, symbol = (grow, r"\eta^+") if agreement > 0 else (shrink, r"\eta^-") if agreement < 0 else (1.0, "1")
    size = min(max(before * factor, least), most)
    kept = 0.0 if agreement < 0 else gradient
    sign = float(np.sign(kept))
    new = old - size * sign
    named = {"gradient": gradient, "before": before, "factor": factor, "least": least, "most": most, "size": size}
    named |= {"old": old, "sign": sign, "kept_before": state.kept, "kept": kept}
    rule, numbers = (rf"0 \quad (c_{t} < 0)", "0") if agreement < 0 else (f"g_{t}", "<gradient!>")
    return replace(state, parameter=new, size=size, kept=kept), [
        fill_line(f"c_{t}", rf"g_{t} \cdot p_{t - 1}", r"<gradient> \cdot <kept_before>", agreement, **named),
        fill_line(
            rf"\Delta_{t}",
            rf"\min(\max({symbol} \cdot {size_before},\; \Delta_{{\min}}),\; \Delta_{{\max}})",
            r"\min(\max(<factor> \cdot <before>,\; <least!>),\; <most!>)",
            size,
            **named,
        ),
        fill_line(f"p_{t}", rule, numbers, kept, **named),
        fill_line(
            rf"\theta_{t}",
            rf"\theta_{t - 1} - \Delta_{t} \operatorname{{sgn}} p_{t}",
            r"<old> - <size> \cdot <sign>",
            new,
            **named,
        ),
    ]


RULES: dict[str, Rule] = {
    "SGD": _sgd,
    **adaptive_rules.RULES,
    "Adafactor": _adafactor,
    "ASGD": _asgd,
    "Muon": _muon,
    "Rprop": _rprop,
}
