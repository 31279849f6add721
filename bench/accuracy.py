"""Train recipes with their own settings and hold them to the score on test data that they promise.

    python -m bench.accuracy [RECIPE...]

Without names: all of them, a few hours on one core; most alone take minutes, the CNVs half an hour each. MNIST comes
from ``GATEWRIGHT_DATA`` or is fetched. Exits 1 when a recipe falls short, 2 on bad input.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from gatewright.errors import UserError
from gatewright.quant import recipes, train
from gatewright.quant.tasks import TASKS


def main(arguments: list[str]) -> int:
    """Train, print the table, and return the exit code."""
    console = Console()
    chosen = [recipes.get(name) for name in arguments or recipes.names()]
    table = Table(title="accuracy with the recipes' own settings", title_justify="left")
    for column in ("recipe", "score", "of test data", "required", "of training data", "weight bits", "epochs",
                   "seconds"):
        left = column in ("recipe", "score")
        table.add_column(column, justify="left" if left else "right", no_wrap=left)
    short = []
    for recipe in chosen:
        trained = train(recipe, console=Console(stderr=True))
        if trained.test_accuracy < recipe.required:
            short.append(recipe.name)
        table.add_row(
            recipe.name,
            TASKS[recipe.task].measure,
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
