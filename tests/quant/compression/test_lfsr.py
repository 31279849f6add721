"""Masks of shift registers: exactly those of the coding, noted for the file, kept by what follows."""

import json

from gatewright.coding.lfsr import mask
from gatewright.quant import LfsrMask, Share, compress
from gatewright.quant.compression.constrained import integers, mask_of, named


def test_weights_stand_where_the_register_says(network, data, monkeypatch):
    monkeypatch.setattr(data, "fit", lambda *args, **how: None)
    LfsrMask(kept=(2, 1, None), elements=4, seed=7).apply(network, data)
    first, second, third = named(network).values()
    assert (mask_of(first).numpy() == mask(24, 64, 4, 2, 7)).all()
    assert (mask_of(second).numpy() == mask(16, 24, 4, 1, 8)).all()
    assert mask_of(third).all()


def test_a_masked_network_learns_and_its_notes_find_the_weights(trained, data):
    compressed = compress(trained, [LfsrMask(kept=(3, 2, 3), elements=4, epochs=4), Share(bits=4, epochs=1)], data=data)
    assert [state.title for state in compressed.states] == ["dense", "LfsrMask", "Share"]
    assert list(compressed.notes) == list(named(compressed.module))
    for (name, layer), counted in zip(named(compressed.module).items(), compressed.layers, strict=True):
        note = json.loads(compressed.notes[name])
        assert note.pop("kind") == "lfsr"
        found = integers(layer)
        assert not found[~mask(*found.shape, **note)].any()
        assert (counted.kind, counted.runs.plain, counted.pointers) == ("lfsr", 0, 0)
        assert counted.entries == found.shape[1] * note["elements"] * note["kept"]
        assert counted.values <= 16  # 0 among them, for entries of rows beyond the last
    assert compressed.test_accuracy > 80
