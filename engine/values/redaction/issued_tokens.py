"""Keys and tokens of services whose beginning tells what they are, and hashes of passwords as systems keep them."""

from __future__ import annotations

from typing import Final

_HEX: Final = "[0-9a-f]"
_SIGN: Final = "[A-Za-z0-9_-]"
_BEGINNINGS: Final = {
    r"(?:AKIA|ASIA)": "[A-Z0-9]{16}",
    r"gh[opusr]_": "[A-Za-z0-9]{30,}",
    r"github_pat_": "[A-Za-z0-9_]{22,}",
    r"gl[a-z]{2,6}-": f"{_SIGN}{{20,}}",
    r"xox[a-z]-": "[A-Za-z0-9-]{10,}",
    r"xapp-[0-9]": f"{_SIGN}{{20,}}",
    r"(?:sk|rk|pk|whsec)_": "(?:live_|test_)?[A-Za-z0-9]{16,}",
    r"sk-": f"{_SIGN}{{20,}}",
    r"AIza": f"{_SIGN}{{35}}",
    r"ya29\.": f"{_SIGN}{{20,}}",
    r"GOCSPX-": f"{_SIGN}{{20,}}",
    r"1//0": f"{_SIGN}{{30,}}",
    r"SG\.": rf"{_SIGN}{{16,}}\.{_SIGN}{{16,}}",
    r"SK": f"{_HEX}{{32}}",
    r"key-": f"{_HEX}{{32}}",
    r"xkeysib-": f"{_HEX}{{32,}}-{_SIGN}{{10,}}",
    r"npm_": "[A-Za-z0-9]{36}",
    r"pypi-": f"{_SIGN}{{16,}}",
    r"rubygems_": f"{_HEX}{{48}}",
    r"dckr_[a-z]{3}_": f"{_SIGN}{{20,}}",
    r"hf_": "[A-Za-z0-9]{30,}",
    r"gsk_": "[A-Za-z0-9]{40,}",
    r"r8_": "[A-Za-z0-9]{37,}",
    r"(?:nvapi|pplx|xai)-": f"{_SIGN}{{40,}}",
    r"do[opr]_v1_": f"{_HEX}{{64}}",
    r"shp(?:at|ca|pa|ss)_": f"{_HEX}{{32}}",
    r"sq0[a-z]{3}-": f"{_SIGN}{{20,}}",
    r"lin_(?:api|oauth)_": "[A-Za-z0-9]{32,}",
    r"ntn_": "[A-Za-z0-9]{40,}",
    r"secret_": "[A-Za-z0-9]{43}",
    r"figd_": f"{_SIGN}{{30,}}",
    r"AT(?:ATT|BB|CTT)": "[A-Za-z0-9_=-]{24,}",
    r"hv[bsr]\.": f"{_SIGN}{{24,}}",
    r"sbp_": f"{_HEX}{{40}}",
    r"NRAK-": "[A-Z0-9]{27}",
    r"glsa_": "[A-Za-z0-9]{32}_[0-9a-f]{8}",
    r"sntry[su]_": "[A-Za-z0-9_=+/-]{40,}",
    r"dapi": f"{_HEX}{{32}}",
    r"fm[12]_": "[A-Za-z0-9_=+/-]{40,}",
    r"PMAK-": f"{_HEX}{{24}}-{_HEX}{{34}}",
    r"pul-": f"{_HEX}{{40}}",
    r"dp\.(?:audit|ct|pt|sa|scim|st)\.": "[A-Za-z0-9.]{40,}",
    r"pscale_(?:oauth|pw|tkn)_": f"{_SIGN}{{30,}}",
    r"pat[A-Za-z0-9]{14}\.": f"{_HEX}{{64}}",
    r"pat-(?:eu|na)[0-9]-": "[0-9a-f-]{36}",
    r"AGE-SECRET-KEY-1": "[A-Z0-9]{50,}",
    r"bot[0-9]{6,12}:": f"{_SIGN}{{30,}}",
    r"[0-9]{8,12}:AA": f"{_SIGN}{{30,}}",
    r"hooks\.slack\.com/services/": "[A-Za-z0-9/]{20,}",
    r"discord(?:app)?\.com/api/webhooks/": f"[0-9]+/{_SIGN}{{20,}}",
    r"webhook\.office\.com/webhookb2/": "[^\\s\"'<>]{20,}",
}
"""By how they begin, how they go on."""
_WITHIN: Final = {
    r"[A-Za-z0-9]{14}\.atlasv1\.": f"{_SIGN}{{40,}}",
    r"[A-Za-z0-9_~.]{3}[0-9]Q~": "[A-Za-z0-9_~.-]{31,}",
    rf"{_HEX}{{32}}-us": "[0-9]{1,2}",
}
_HASHES: Final = (
    r"\$2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}|"
    r"\$(?:[1567y]|gy|argon2(?:d|i|id)|scrypt|pbkdf2[a-z0-9-]*)\$(?:[^\s\"'<>:$]{1,60}\$){1,3}[./A-Za-z0-9+=]{20,}"
)
"""As ``crypt`` and its kin write them."""

ISSUED: Final = rf"\b(?:{'|'.join(begin + rest for begin, rest in (_BEGINNINGS | _WITHIN).items())})|{_HASHES}"
"""Of RE2."""
_SHORT: Final = {"SK": f"SK{_HEX}", "dapi": f"dapi{_HEX}", "key-": f"key-{_HEX}", "secret_": "secret_[A-Za-z0-9]{12}"}
"""Of these beginnings more is looked at, as other words have them too."""
MAY_BE: Final = (
    rf"(?-i:{'|'.join(_SHORT.get(begin, begin) for begin in _BEGINNINGS)}|"
    rf"\.atlasv1\.|[0-9]Q~|{_HEX}-us[0-9]|\$(?:[12567y]|gy|argon2|scrypt|pbkdf2))"
)
"""Of RE2; found in any text that has one."""
