"""The IDX reader: what it reads is what was written, and every bad file is one clear line."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gatewright.errors import UserError
from gatewright.idx import LARGEST, read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encode(array):
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@settings(deadline=None, max_examples=60)
@given(data=st.data(), zipped=st.booleans())
def test_reads_what_was_written(data, zipped, tmp_path_factory):
    dtype = np.dtype(data.draw(st.sampled_from(sorted(CODES))))
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
    array = data.draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, allow_nan=False)))
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(encode(array)) if zipped else encode(array))
    result = read_idx(path)
    assert result.dtype == dtype
    assert result.shape == array.shape
    assert np.array_equal(result, array)
    assert result.dtype.isnative
    assert result.flags.writeable or not result.size


GOOD = encode(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
AGAIN = "; download or copy the file again"
FORMAT = "; an IDX file starts with 00 00, a type (08 for unsigned bytes) and the number of dimensions"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"the file is cut short: 4 of 4 bytes of its header are missing{AGAIN}"),
        (GOOD[:3], f"the file is cut short: 1 of 4 bytes of its header are missing{AGAIN}"),
        (GOOD[:10], f"the file is cut short: 6 of 12 bytes of its dimensions are missing{AGAIN}"),
        (GOOD[:-5], "the file is cut short: 5 of 24 bytes of the 2 x 3 x 4 elements that its header claims are missing"
                    + AGAIN),
        (GOOD + b"\0", "it goes on after the 2 x 3 x 4 elements that its header claims"),
        (b"\x89PNG" + GOOD, f"this is not an IDX file: it starts with the bytes 89 50 4e 47{FORMAT}"),
        (b"\0\0\x0a\x01\0\0\0\0", f"this is not an IDX file: it starts with the bytes 00 00 0a 01{FORMAT}"),
        (b"\0\0\x08\0", f"this is not an IDX file: it starts with the bytes 00 00 08 00{FORMAT}"),
        (b"\0\0\x08\x09" + b"\0" * 36, f"this is not an IDX file: it starts with the bytes 00 00 08 09{FORMAT}"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
         f"its header claims 4294967295 x 4294967295 x 4294967295 elements, {0xFFFFFFFF**3} bytes; {LARGEST} are the "
         "limit"),
        (struct.pack(">BBBB1I", 0, 0, 8, 1, LARGEST),  # allowed, but not there: no memory is taken for the claim
         f"the file is cut short: {LARGEST} of {LARGEST} bytes of the {LARGEST} elements that its header claims are "
         f"missing{AGAIN}"),
    ],
)
def test_bad_files_give_one_line(content, message, tmp_path):
    path = tmp_path / "bad"
    for form in (content, gzip.compress(content)):
        path.write_bytes(form)
        with pytest.raises(UserError) as error:
            read_idx(path)
        assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize("cut", [2, 8, 12, -9, -4])
def test_gzip_cut_short(cut, tmp_path):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(GOOD)[:cut])
    with pytest.raises(UserError, match=r"the gzip data is damaged or cut short .*; download or copy the file again"):
        read_idx(path)


def test_gzip_damaged(tmp_path):
    path = tmp_path / "damaged.gz"
    whole = gzip.compress(encode(np.arange(251, dtype=np.uint8)))
    for place in range(10, len(whole) - 4, 7):  # beyond gzip's own header; the last four bytes are the length
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"damaged|cut short|not an IDX|goes on|claims"):
            read_idx(path)


def test_no_such_file_and_folder(tmp_path):
    with pytest.raises(UserError) as error:
        read_idx(tmp_path / "none.idx")
    assert str(error.value) == f"{tmp_path / 'none.idx'}: there is no such file"
    with pytest.raises(UserError, match="it cannot be read"):
        read_idx(tmp_path)
