"""Stands in for units that are not there yet; goes away with them."""

import importlib
import sys
import types

for _module, _names in {
    "concat": "ConcatParameters ConcatUnit", "depthwise": "DepthwiseParameters DepthwiseUnit",
    "join": "AddParameters AddUnit", "pool": "PoolParameters PoolUnit", "reorder": "ReorderParameters ReorderUnit",
    "shuffle": "ShuffleParameters ShuffleUnit", "upsample": "UpsampleParameters UpsampleUnit",
    "weights": "WeightStreamer WeightStreamerParameters", "window": "WindowParameters WindowUnit",
    "window_parallel": "ParallelWindowParameters ParallelWindowUnit", "table": "TableParameters TableUnit",
    "requantise": "RequantiseParameters RequantiseUnit",
}.items():
    _path = f"{__package__.rpartition('.')[0]}.hdl.{_module}"
    try:
        importlib.import_module(_path)
    except ImportError:
        sys.modules[_path] = types.ModuleType(_path)
        for _name in _names.split():
            setattr(sys.modules[_path], _name, type(_name, (), {}))
