"""Secrets that are known by how they look, wherever they stand in a text.

Private keys, credentials of HTTP, user information and token parameters of URLs, tokens that services issue, assignments to
secret names, JSON web tokens and numbers of cards and accounts. Patterns run in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import re2

from engine.values.redaction import card_numbers as cards
from engine.values.redaction import ibans
from engine.values.redaction import issued_tokens as issued
from engine.values.redaction.assigned_secrets import hide_assigned
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.spellings import as_read

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
# With less, RE2 takes its slow way as soon as a text has many digits.
_OPTIONS.max_mem = 32 * 1024 * 1024


def _compiled(pattern: str) -> re2.Regexp:
    return re2.compile(pattern, _OPTIONS)


_PRIVATE_KEY: Final = _compiled(
    r"(?is)-{4,5} ?BEGIN[ +][A-Z0-9 +]*PRIVATE[ +]KEY(?:[ +]BLOCK)? ?-{4,5}"
    r".*?(?:-{4,5} ?END[ +][A-Z0-9 +]*PRIVATE[ +]KEY(?:[ +]BLOCK)? ?-{4,5}|\z)|"
    r"Private-Lines: [0-9]+.*?(?:Private-MAC: [0-9a-fA-F]+|\z)"
)
_CREDENTIALS: Final = _compiled(r"(?i)\b(bearer|basic|negotiate|ntlm|token) +([a-z0-9._~+/-]{6,}=*)")
_BASIC: Final = _compiled(
    r"(?i)\b(basic[ _-]?auth(?:entication|orization)?(?:[ :=(,]+(?:are|as|credentials|for|header|is|login|user|using|was|with))*"
    r"[ :=('\"]+)[^\s:'\"(/]+:[^\s/'\")][^\s'\")]*"
)
_USER: Final = _compiled(r"((?:\b[A-Za-z][A-Za-z0-9+.-]*:)?//)[^\s/?#'\"<>]+@")
_USER_OF_ANY_LETTERS: Final = _compiled(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)([^\s/:@'\"<>]*:([^\s@'\"<>]+))@")
_ORACLE: Final = _compiled(r"(jdbc:oracle:[a-z]+:[^\s/@]+/)[^\s@]+@")
_WEB_TOKEN: Final = _compiled(r"\beyJ[A-Za-z0-9_-]{6,}\.\.?[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*")
"""The second part of an encrypted one may be empty."""
_PARAMETER: Final = re.compile(r"[?&;#]([A-Za-z0-9_.\[\]%-]{1,80}?)(?:=|%3[Dd])")
_ARGUMENT: Final = re.compile(r"[^&#\s'\"<>][^&#\s\"<>]*")
_ISSUED: Final = _compiled(issued.ISSUED)
_WORTH_A_LOOK: Final = _compiled(
    r"(?i)//|pass|pwd|pswd|secret|token|key|auth|cookie|cred|pin|otp|jwt|bearer|basic |dsn|string|session|sessid|sig|"
    r"sid|iban|card|cvv|cvc|csc|ssn|pan|eyj|code|conn|account|csrf|xsrf|hmac|kennwort|senha|wachtwoord|contrase|"
    r"parola|mnemonic|phrase|social|answer|saml|assertion|identified|private|2f%2|pw|thin:|negotiate|ntlm|bot[0-9]|"
    r"mdp|jeton|\bcle|clave|psk|schl|geheim|heslo|jelsz|sifre|passord|adgang|segret|literal|add_user|sqlplus|[ '\"]-[acekpuw]"
    rf"|{issued.MAY_BE}|{cards.MAY_BE}|{ibans.MAY_BE}"
)
"""A text without any of these has none of the shapes: most are let through by this look."""
_LONG_VALUES: Final = {"auth": 16, "code": 16, "key": 20}
"""Parameters of URLs that are secrets when they have so many characters."""
_LINK_WORD: Final = re.compile(r"[^\s\"'<>]+")
_PORT: Final = re.compile(r"\d{1,5}(?:[/?#].*)?", re.DOTALL)


def hide_shapes(text: str) -> str:
    """The text with the placeholder in the place of each; the same text where there is none."""
    if not may_hold_secret(text):
        return text
    text = text.encode("utf-8", "replace").decode()
    return _hide_in_short(text) if len(text) <= _SHORT else _hide(text)


def _hide(text: str) -> str:
    text = _hide_written(text)
    read = as_read(text)
    shown = read if read == text else _hide_written(read)
    return text if shown == read else shown


def _hide_written(text: str) -> str:
    for sign, pattern, replacement in _RULES:
        if sign in text:
            text = pattern.sub(replacement, text)
    if "=" in text or "%3" in text:
        text = _hide_parameters(text)
    if "%" in text:
        text = _LINK_WORD.sub(_encoded, text)
    return hide_assigned(_hide_numbers(text))


_SHORT: Final = 200
_hide_in_short: Final = lru_cache(maxsize=4096)(_hide)
"""A list shows the same keys, titles and messages again and again."""


def may_hold_secret(text: str) -> bool:
    """Whether a text is worth a close look."""
    if len(text) < _SHORTEST:
        return False
    return _may_hold_in_short(text) if len(text) <= _SHORT else _may_hold(text)


def _may_hold(text: str) -> bool:
    if _CODE.fullmatch(text):
        return False
    read = as_read(text)
    try:
        if any(_WORTH_A_LOOK.search(spelled) is not None for spelled in ((text,) if read == text else (text, read))):
            return True
    except UnicodeEncodeError:
        return True
    # A name may be spelled in other letters.
    return not text.isascii() and any(sign in text for sign in "=:：＝→⇒∶꞉")


_may_hold_in_short: Final = lru_cache(maxsize=16_384)(_may_hold)
"""Documents have the same names, and many of the same values."""
_SHORTEST: Final = 5
_CODE: Final = re.compile(r"(?:[A-Z]{1,15}_)*[A-Z]{1,15}", re.ASCII)
"""A code of an error names things, and has nothing of them."""


def _hide_numbers(text: str) -> str:
    """Of cards and accounts. An account's digits may be a card's too, so accounts come first."""
    for numbers in (ibans.ibans, cards.card_numbers):
        pieces, done = [], 0
        for start, end in numbers(text):
            pieces += [text[done:start], PLACEHOLDER]
            done = end
        text = "".join([*pieces, text[done:]]) if pieces else text
    return text


def _credentials(found: re2.Match) -> str:
    scheme, value = found.groups()
    # Two words of English are none, nor is the next name: ``token_type=bearer expires_in=3600``.
    said = value.islower() and value.rstrip("=").replace("_", "").isalpha()
    if scheme.lower() in ("negotiate", "token"):
        said = len(value) < 16 or not any(map(str.isdigit, value))
    return str(found.group(0)) if said else f"{scheme} {PLACEHOLDER}"


def _user(found: re2.Match) -> str:
    scheme, _, password = found.groups()
    # What looks like a password with a port's beginning is a path with an @ in it.
    return str(found.group(0)) if _PORT.fullmatch(password) else f"{scheme}{PLACEHOLDER}@"


def _hide_parameters(text: str) -> str:
    """Of URLs, also of one that is the value of another's parameter."""
    pieces, done, at = [], 0, 0
    while (found := _PARAMETER.search(text, at)) is not None:
        at = found.end()
        name = unquote(found[1])
        shortest = 1 if is_secret_name(name) else _LONG_VALUES.get(name.lower())
        if shortest is None:
            continue
        value = _ARGUMENT.match(text, at)
        if value is None or len(value[0]) < shortest or value[0].startswith(PLACEHOLDER):
            continue
        pieces += [text[done:at], PLACEHOLDER]
        # A quote or a bracket around all of the URL.
        done = at = value.end() - (value[0][-1] in "')" and len(value[0]) > 1)
    return "".join([*pieces, text[done:]]) if pieces else text


def _encoded(found: re.Match[str]) -> str:
    """A word with characters that are percent-encoded, which may be a URL in a URL."""
    word = found[0]
    if "%" not in word or PLACEHOLDER in word:
        return word
    decoded = unquote(word)
    return PLACEHOLDER if decoded != word and hide_shapes(decoded) != decoded else word


_RULES: Final[tuple[tuple[str, re2.Regexp, str | Callable[[re2.Match], str]], ...]] = (
    ("-", _PRIVATE_KEY, PLACEHOLDER),
    (" ", _CREDENTIALS, _credentials),
    (":", _BASIC, rf"\1{PLACEHOLDER}"),
    ("@", _USER, rf"\1{PLACEHOLDER}@"),
    ("@", _USER_OF_ANY_LETTERS, _user),
    ("@", _ORACLE, rf"\1{PLACEHOLDER}@"),
    ("eyJ", _WEB_TOKEN, PLACEHOLDER),
    ("", _ISSUED, PLACEHOLDER),
)
"""Each with what stands in whatever it finds. Without that in the text it is not asked."""
