"""EIE's sweeps drawn as the paper draws them: efficiency against queue depth, speed-up and work against elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Curves = Mapping[str, Sequence[float]]

# One for each network.
_MARKERS = {"Alex": "o", "VGG": "s", "NT": "^"}


def plot(folder: Path, depths: Sequence[int], plain: Curves, balanced: Curves, elements: Sequence[int],
         speed_up: Curves, real: Curves, efficiency: Curves) -> list[Path]:
    """Write ``eie-depth`` and ``eie-elements``, each as SVG and as PNG, to a folder; returns the files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                         "grid.alpha": 0.25, "grid.linewidth": 0.6, "lines.linewidth": 1.4, "lines.markersize": 3.5,
                         "svg.hashsalt": "eie"})
    folder.mkdir(parents=True, exist_ok=True)
    colours = dict(zip(plain, plt.get_cmap("tab10").colors, strict=False))

    def draw(axis, xs, curves, title, label, ticks):
        for name, ys in curves.items():
            axis.plot(xs, ys, marker=_MARKERS[name.split("-")[0]], color=colours[name], label=name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(ticks, map(str, ticks))
        axis.minorticks_off()
        axis.set_title(title, loc="left", fontsize=9.5)
        axis.set_ylabel(label)

    files = []

    def save(figure, name):
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
                      columnspacing=1.2, handlelength=1.6)
        for suffix in ("svg", "png"):
            files.append(folder / f"{name}.{suffix}")
            figure.savefig(files[-1], dpi=140)
        plt.close(figure)

    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True, layout="constrained")
    for axis, curves, title in zip(axes, (plain, balanced), ("rows as they come", "rows balanced"), strict=True):
        draw(axis, depths, curves, f"64 elements, {title}", "efficiency, %", depths)
        axis.set_xlabel("activations that a queue holds")
        axis.axvline(8, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axis.annotate("EIE", (8, 0), xycoords=("data", "axes fraction"), xytext=(3, 4), textcoords="offset points",
                      color="0.4")
    axes[0].set_ylim(top=100.5)
    axes[1].set_ylabel("")
    save(figure, "eie-depth")

    figure, axes = plt.subplots(1, 3, figsize=(11.5, 4.0), layout="constrained")
    draw(axes[0], elements, speed_up, "speed-up over one element", "", elements)
    axes[0].plot(elements, elements, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes[0].annotate("linear", (elements[4], elements[4]), xytext=(-34, 6), textcoords="offset points", color="0.4")
    axes[0].set_yscale("log", base=2)
    axes[0].set_yticks(elements, map(str, elements))
    axes[0].minorticks_off()
    draw(axes[1], elements, efficiency, "efficiency at depth 8, %", "", elements)
    draw(axes[2], elements, real, "entries that are weights, not padding, %", "", elements)
    for axis in axes:
        axis.set_xlabel("elements")
    for axis in axes[1:]:
        axis.set_ylim(top=101)
    save(figure, "eie-elements")
    return files
