"""Numbers of bank accounts (ISO 13616) in a text: a country's length and shape, and check digits by mod 97."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_SHAPES: Final = {
    country: shape
    for line in """
    AD:n8c12 AE:n19 AL:n8c16 AT:n16 AZ:a4c20 BA:n16 BE:n12 BG:a4n6c8 BH:a4c14 BI:n23 BR:n23a1c1 BY:c4n4c16 CH:n5c12 CR:n18
    CY:n8c16 CZ:n20 DE:n18 DJ:n23 DK:n14 DO:c4n20 EE:n16 EG:n25 ES:n20 FI:n14 FK:a2n12 FO:n14 FR:n10c11n2 GB:a4n14 GE:a2n16
    GI:a4c15 GL:n14 GR:n7c16 GT:c20 HN:a4n20 HR:n17 HU:n24 IE:a4n14 IL:n19 IQ:a4n15 IS:n22 IT:a1n10c12 JO:a4n4c18 KW:a4c22
    KZ:n3c13 LB:n4c20 LC:a4c24 LI:n5c12 LT:n16 LU:n3c13 LV:a4c13 LY:n21 MC:n10c11n2 MD:c20 ME:n18 MK:n3c10n2 MN:n16 MR:n23
    MT:a4n5c18 MU:a4n19a3 NI:a4n20 NL:a4n10 NO:n11 OM:n3c16 PK:a4c16 PL:n24 PS:a4c21 PT:n21 QA:a4c21 RO:a4c16 RS:n18
    RU:n14c15 SA:n2c18 SC:a4n20a3 SD:n14 SE:n20 SI:n15 SK:n20 SM:a1n10c12 SO:n19 ST:n21 SV:a4n20 TL:n19 TN:n20 TR:n6c16
    UA:n6c19 VA:n18 VG:a4n16 XK:n16 YE:a4n4c18
    """.splitlines()
    for country, _, shape in (entry.partition(":") for entry in line.split())
}
"""After country and check digits: so many digits (``n``), letters (``a``), or either (``c``)."""
_SIGNS: Final = {"n": "[0-9]", "a": "[A-Za-z]", "c": "[A-Za-z0-9]"}
_PART: Final = re.compile(r"([nac])([0-9]+)")
_BETWEEN: Final = r"[\s.\-]{0,2}"
"""Between groups of four."""
_BEGINNING: Final = re.compile(r"(?<![^\W_])([A-Za-z]{2})[0-9]{2}")
_APART: Final = re.compile(r"[\s.\-]+")
MAX_PIECES: Final = 34
"""So many signs the longest has."""
MAY_BE: Final = rf"(?:\b|_)(?:{'|'.join(_SHAPES)})[0-9]{{2}}(?:[^\pNA-Za-z]{{0,2}}[A-Za-z0-9]){{11}}"
"""Of RE2; found in any text with a number of an account."""


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Where numbers of accounts begin and end, from left to right, written together or in groups of four."""
    done = 0
    for begun in _BEGINNING.finditer(text):
        country = begun[1].upper()
        if begun.start() < done or country not in _SHAPES:
            continue
        found = _compiled(country).match(text, begun.start())
        if found is not None and _is_checked(found[0]):
            yield found.span()
            done = found.end()


def is_iban(text: str) -> bool:
    """Whether a text is the number of an account and nothing else."""
    return next(ibans(text), None) == (0, len(text))


@lru_cache(maxsize=len(_SHAPES))
def _compiled(country: str) -> re.Pattern[str]:
    signs = [*(f"[{letter}{letter.lower()}]" for letter in country), "[0-9]", "[0-9]"]
    for kind, number in _PART.findall(_SHAPES[country]):
        signs += [_SIGNS[kind]] * int(number)
    groups = ("".join(signs[at : at + 4]) for at in range(0, len(signs), 4))
    return re.compile(rf"{_BETWEEN.join(groups)}(?![^\W_])")


def _is_checked(written: str) -> bool:
    plain = _APART.sub("", written)
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1
