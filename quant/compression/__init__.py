"""Compression of trained networks: pruned, shared, coded, hashed; one technique a file, steps that compose.

    from gatewright.quant import Huffman, Prune, Share, Trainer, compress

    compressed = compress(module, [Prune(density=0.1, epochs=5), Share(bits=4), Huffman()], data=Trainer(split, (784,)))
    export(compressed.module, "small.onnx", (1, 784), notes=compressed.notes)

A step trains as it says and reports accuracy, non-zeros, bits and ratio. What comes out is a module of ordinary
Brevitas layers, whose integers are the codebooks' values; a compiler recognises what they are.
"""

from .account import Account, account, sharing_ratio
from .blocks import BlockPrune
from .compress import Compressed, State, compress
from .gradual import GradualPrune, cubic_sparsity
from .hashed import Hash, hash_layer
from .huffman import Huffman
from .lfsr import LfsrMask
from .obd import OptimalBrainDamage
from .prune import Prune
from .share import Share
from .step import PerLayer, Step
from .surgery import Surgery
from .tables import entries_table, layers_table, remarks, steps_table

__all__ = [
    "Account",
    "BlockPrune",
    "Compressed",
    "GradualPrune",
    "Hash",
    "Huffman",
    "LfsrMask",
    "OptimalBrainDamage",
    "PerLayer",
    "Prune",
    "Share",
    "State",
    "Step",
    "Surgery",
    "account",
    "compress",
    "cubic_sparsity",
    "entries_table",
    "hash_layer",
    "layers_table",
    "remarks",
    "sharing_ratio",
    "steps_table",
]
