"""Train recipes with their own settings and hold them to the test accuracy that they promise.

    python -m bench.accuracy [RECIPE...]

Without names: digits-w1a1, tfc-w1a1 and sfc-w1a1. MNIST comes from ``GATEWRIGHT_DATA`` or is fetched. Minutes on two
cores. Exits 1 when a recipe falls short, 2 on bad input.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from gatewright.errors import UserError
from gatewright.quant import recipes, train

DEFAULT = ("digits-w1a1", "tfc-w1a1", "sfc-w1a1")


def main(arguments: list[str]) -> int:
    """Train, print the table, and return the exit code."""
    console = Console()
    chosen = [recipes.get(name) for name in arguments or DEFAULT]
    table = Table(title="accuracy with the recipes' own settings", title_justify="left")
    for column in ("recipe", "test accuracy", "required", "training accuracy", "weight bits", "epochs", "seconds"):
        table.add_column(column, justify="left" if column == "recipe" else "right", no_wrap=column == "recipe")
    short = []
    for recipe in chosen:
        trained = train(recipe, console=Console(stderr=True))
        if trained.test_accuracy < recipe.required:
            short.append(recipe.name)
        table.add_row(
            recipe.name,
            f"{trained.test_accuracy:.2f} %",
            f"{recipe.required:.1f} %",
            f"{trained.train_accuracy:.2f} %",
            f"{trained.weight_bits:,}",
            str(len(trained.history)),
            f"{trained.seconds:.0f}",
        )
    console.print(table)
    if short:
        console.print(f"below what is required: {', '.join(short)}")
    return 1 if short else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
