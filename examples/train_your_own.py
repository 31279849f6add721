"""A network of your own: Brevitas and torch as you know them, then Gatewright from QONNX to a verified build.

    python examples/train_your_own.py --epochs 30 -o own-build

Needs `pip install 'gatewright[train]'`. Nothing of Gatewright is used for training: any training code will do, as long
as the network is a chain of the layers that docs/guide.md lists.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
import torch
from brevitas.export import export_qonnx
from brevitas.nn import QuantIdentity, QuantLinear
from brevitas.quant import SignedBinaryActPerTensorConst as BinaryActivations
from brevitas.quant import SignedBinaryWeightPerTensorConst as BinaryWeights
from sklearn.datasets import load_digits
from torch import nn

import gatewright


def network(*sizes: int) -> nn.Sequential:
    """Sign, dropout, binary weights and batch norm, layer after layer; the last layer's norm gives the logits."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [QuantIdentity(act_quant=BinaryActivations), nn.Dropout(0.2),
                   QuantLinear(inputs, outputs, bias=False, weight_quant=BinaryWeights), nn.BatchNorm1d(outputs)]
    return nn.Sequential(*layers)


def fit(model: nn.Module, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """Plain training; latent weights are kept where the straight-through estimator's gradient passes."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
            with torch.no_grad():
                for layer in model.modules():
                    if isinstance(layer, QuantLinear):
                        layer.weight.clamp_(-1, 1)
        schedule.step()
    model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("own-build"), help="the build folder to write")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--frames", type=int, default=300, help="test images to verify on")
    arguments = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(1)  # these layers are too small to share
    images, labels = load_digits(return_X_y=True)  # 1,797 images of 8 x 8 integers from 0 to 16
    # The network sees values from -1 to 1. The accelerator will take these integers, from -8 to 8.
    codes = images.astype("int64") - 8
    test = np.arange(len(codes)) % 5 == 0
    x, y = torch.tensor(codes / 8, dtype=torch.float32), torch.tensor(labels)

    model = network(64, 128, 128, 10)
    fit(model, x[~test], y[~test], arguments.epochs)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.onnx"
        export_qonnx(model, args=torch.zeros(1, 64), export_path=str(file))

        # A code of int5 is worth 1/8 in the network's units: code 8 is 1.0.
        design = gatewright.compile(gatewright.load(file, input="int5", input_scale="1/8"), fps=200_000, clock=50.0)
        print(f"{design.prediction.interval} cycles a frame, {design.prediction.latency} cycles of latency")

        # Raises MismatchError if one integer differs, or one transfer is not in the cycle predicted.
        verification = design.verify(codes[test][: arguments.frames], labels[test][: arguments.frames])
        print(f"{verification.frames} frames verified, {verification.mismatches} integers differ, "
              f"accuracy {verification.accuracy:.2%}")

        design.write(arguments.output)
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
