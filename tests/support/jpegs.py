"""A plain encoder of JPEG (ISO/IEC 10918-1, sequential, Huffman): any sampling factors, any number of components."""

import cv2
import numpy as np

# Codes of DC: all categories in 4 bits. Codes of AC: every symbol that is used, in 8 bits. Longer than they need be.
_DC_LENGTHS = bytes([0, 0, 0, 12, *[0] * 12])
_DC_SYMBOLS = bytes(range(12))
_AC_SYMBOLS = bytes([0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))])
_AC_LENGTHS = bytes([0, 0, 0, 0, 0, 0, 0, len(_AC_SYMBOLS), *[0] * 8])
_STEP = 4  # of quantization, for every coefficient


def _zigzag() -> np.ndarray:
    places = [(row, column) for row in range(8) for column in range(8)]
    return np.array(
        [8 * row + column for row, column in sorted(
            places, key=lambda at: (sum(at), at[0] if sum(at) % 2 else at[1])
        )]
    )  # fmt: skip


_ZIGZAG = _zigzag()


def encode_jpeg(planes: np.ndarray, sampling: list[tuple[int, int]], *, restart: int = 0, head: bytes = b"") -> bytes:
    """Encode uint8 [height, width, components], in the color space of the file.

    Args:
        planes: the components, each of full size.
        sampling: of each component, how many blocks across and down a minimum coded unit has.
        restart: units between two restart markers, 0 for none.
        head: segments in front of the tables, as of Adobe's marker.
    """
    height, width = planes.shape[:2]
    listed = sampling
    if len(sampling) == 1:  # a scan of one component has one block a unit, whatever its factors (A.2.2)
        sampling = [(1, 1)]
    most_h, most_v = (max(factors) for factors in zip(*sampling, strict=True))
    across, down = -(-width // (8 * most_h)), -(-height // (8 * most_v))
    blocks = [
        _blocks(planes[..., number], (width * h / most_h, height * v / most_v), (across * h, down * v))
        for number, (h, v) in enumerate(sampling)
    ]
    frame = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([len(sampling)])
    frame += b"".join(bytes([number + 1, h << 4 | v, 0]) for number, (h, v) in enumerate(listed))
    scan = bytes([len(sampling), *(byte for number in range(len(sampling)) for byte in (number + 1, 0)), 0, 63, 0])
    tables = _segment(0xDB, bytes([0, *[_STEP] * 64]))
    tables += _segment(0xC4, b"\x00" + _DC_LENGTHS + _DC_SYMBOLS) + _segment(0xC4, b"\x10" + _AC_LENGTHS + _AC_SYMBOLS)
    if restart:
        tables += _segment(0xDD, restart.to_bytes(2, "big"))
    data, bits, last, count = b"", "", [0] * len(sampling), 0
    for row in range(down):
        for column in range(across):
            if restart and count and count % restart == 0:
                data, bits, last = data + _packed(bits) + bytes([0xFF, 0xD0 + (count // restart - 1) % 8]), "", [0] * 4
            count += 1
            for number, (h, v) in enumerate(sampling):
                for y in range(row * v, (row + 1) * v):
                    for x in range(column * h, (column + 1) * h):
                        block = blocks[number][y, x]
                        bits += _coded(block, int(block[0]) - last[number])
                        last[number] = int(block[0])
    data += _packed(bits)
    return b"\xff\xd8" + head + tables + _segment(0xC0, frame) + _segment(0xDA, scan) + data + b"\xff\xd9"


def adobe(transform: int) -> bytes:
    """Adobe's marker: 0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK."""
    return _segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _blocks(plane: np.ndarray, size: tuple[float, float], number: tuple[int, int]) -> np.ndarray:
    """Give the quantized coefficients of a plane in zigzag order, int [down, across, 64]."""
    across, down = number
    width, height = (int(np.ceil(side)) for side in size)
    small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) - 128
    full = np.pad(small, ((0, 8 * down - height), (0, 8 * across - width)), mode="edge")
    out = np.zeros((down, across, 64), int)
    for y in range(down):
        for x in range(across):
            levels = cv2.dct(np.ascontiguousarray(full[8 * y : 8 * y + 8, 8 * x : 8 * x + 8]))
            out[y, x] = np.round(levels.ravel()[_ZIGZAG] / _STEP)
    return out


def _value(number: int, size: int) -> str:
    return format(number if number > 0 else number + (1 << size) - 1, f"0{size}b") if size else ""


def _coded(block: np.ndarray, difference: int) -> str:
    size = abs(difference).bit_length()
    bits = format(size, "04b") + _value(difference, size)
    run = 0
    for number in block[1 : int(np.flatnonzero(block[1:]).max(initial=-1)) + 2].tolist():
        if number == 0:
            run += 1
            continue
        while run > 15:
            bits, run = bits + format(_AC_SYMBOLS.index(0xF0), "08b"), run - 16
        size = abs(number).bit_length()
        bits += format(_AC_SYMBOLS.index(run << 4 | size), "08b") + _value(number, size)
        run = 0
    return bits if block[63] else bits + format(_AC_SYMBOLS.index(0x00), "08b")


def _packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
