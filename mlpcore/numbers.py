"""Numbers as people read them."""


def short_number(value: float) -> str:
    """Write a number with as few characters as it needs: 0.01, 3e-4, 2.5, 1e6."""
    value = float(f"{value:.3g}")
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.6f}".rstrip("0").rstrip(".")
    digits, power = f"{value:.2e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
