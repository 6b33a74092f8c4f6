"""The picture that a person must read before logging in: six characters, upper and lower case told apart.

A captcha lives five minutes and works once, whether the answer was right or not.
"""

import base64
import random
import secrets
import struct
import zlib
from collections.abc import Callable

LENGTH = 6
SECONDS = 300.0
SCALE, MARGIN, WIDE, HIGH = 4, 3, 7, 7  # picture dots per dot of the font; dots around; dots per character
INK, NOISE, PAPER = 0, 150, 255
DOTS = 160
WRONG, STALE, MISSING = "CPT400", "CPT401", "CPT403"  # TDS reference, section 2.3

FONT = {
    "A": "7c1211127c", "B": "7f49494936", "D": "7f4141221c", "E": "7f49494941", "F": "7f09090901",
    "G": "3e4149497a", "H": "7f0808087f", "K": "7f08142241", "M": "7f020c027f", "N": "7f0408107f",
    "P": "7f09090906", "R": "7f09192946", "T": "01017f0101", "Y": "0708700807", "a": "2054545478",
    "b": "7f48444438", "d": "384444487f", "e": "3854545418", "f": "087e090102", "h": "7f08040478",
    "k": "007f102844", "m": "7c04180478", "n": "7c08040478", "r": "7c08040408", "t": "043f444020",
    "y": "0c5050503c", "2": "4261514946", "3": "2141454b31", "4": "1814127f10", "5": "2745454539",
    "6": "3c4a494930", "7": "0171090503", "8": "3649494936",
}  # fmt: skip
"""Five columns of seven dots for each character, the lowest bit on top; look-alikes such as 0 and O are left out."""


class Captchas:
    """The captchas that were shown and not answered yet."""

    def __init__(self, clock: Callable[[], float], seed: int = 7) -> None:
        self._clock = clock
        self._dice = random.Random(seed)
        self._open: dict[str, tuple[str, float]] = {}
        self.newest = ""

    def draw(self) -> tuple[str, str]:
        """Make a captcha.

        Returns:
            Its id and its PNG in base64.
        """
        now = self._clock()
        self._open = {key: one for key, one in self._open.items() if now < one[1] + SECONDS}
        text = "".join(self._dice.choices(list(FONT), k=LENGTH))
        self.newest = secrets.token_hex(12)
        self._open[self.newest] = (text, now + SECONDS)
        return self.newest, base64.b64encode(picture(text, self._dice)).decode()

    def text(self, captcha_id: str) -> str:
        """Give what a person would read.

        Raises:
            KeyError: no such captcha is open.
        """
        return self._open[captcha_id][0]

    def refuse(self, captcha_id: str, answer: str) -> str:
        """Use a captcha up and give the code of a refusal, or nothing when the answer is right."""
        if not captcha_id or not answer:
            return MISSING
        text, ends_at = self._open.pop(captcha_id, ("", 0.0))
        if self._clock() >= ends_at:
            return STALE
        return "" if answer == text else WRONG


def picture(text: str, dice: random.Random) -> bytes:
    """Draw a text as a grey PNG with a little noise."""
    wide = (len(text) * WIDE + 2 * MARGIN) * SCALE
    high = (HIGH + 2 * MARGIN) * SCALE
    rows = [bytearray([PAPER]) * wide for _ in range(high)]
    for _ in range(DOTS):
        rows[dice.randrange(high)][dice.randrange(wide)] = NOISE
    start, slope = dice.randrange(high), dice.uniform(-0.15, 0.15)
    for x in range(wide):
        rows[int(start + slope * x) % high][x] = NOISE
    for place, character in enumerate(text):
        left = (MARGIN + place * WIDE + 1) * SCALE
        top = (MARGIN + dice.randint(-2, 2)) * SCALE
        for column, dots in enumerate(bytes.fromhex(FONT[character])):
            for line in range(HIGH):
                if dots >> line & 1:
                    _dot(rows, left + column * SCALE, top + line * SCALE)
    return _png(rows)


def _dot(rows: list[bytearray], left: int, top: int) -> None:
    for row in rows[top : top + SCALE]:
        row[left : left + SCALE] = bytes([INK]) * SCALE


def _png(rows: list[bytearray]) -> bytes:
    """Write rows of grey dots as a PNG (PNG specification, sections 5 and 11: 8 bits, colour type 0, filter 0)."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    raw = b"".join(b"\0" + row for row in rows)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
