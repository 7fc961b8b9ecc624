"""What stands beside the name of a secret and is none, and what only resembles it and is one."""

from __future__ import annotations

from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

CANARY = "zK9qLm27xWvT"

SHOWN = [
    "token_type=bearer expires_in=3600", "PUT /cards/4711/pin 204", "PIN: gesperrt", "secrets: 3 found", "Cookies: 3 of 4 sizes",
    "docker login --password-stdin registry", "token-service: running",
    "Signature: verified", "otp: sent", "credentials: loaded", "credentials: from environment",
    "signing key: rotated",
    "basic-auth: off: see manual", "Passwort: falsch", "IBAN: fehlt", "Mot de passe : incorrect", "contraseña: obligatoria",
    "the pwd is /srv/app1", "private key /etc/ssl/key1.pem loaded", "private key from file1.pem loaded",
    "php-jwt v6.10.0", "spring-security-jwt 1.1.1.RELEASE", "ok  \tshop/token\t0.004s",
    "topic session-cookie 2026-11-30T21:46:23Z flushed", "db_password 2026-11-30 rotated",
    "workflow rotate-secret 01a248a4-8588-7157-9045-666c1fa153d9 completed",
    "proxy_pass http://backend1:8080;", "proxy_pass http://Backend1.internal:8080/api/;",
    'api_key "none"', "event user-password-changed Evt2026AB delivered", "secret-rotation Run4711Ok",
    "requirepass is not set", "the requirepass directive is deprecated", "masterauth is unset",
    "after login the password is checked",
    "kubectl create configmap shop --from-literal=log.level=info \\\n  --from-literal=region=eu",
    'resource "random_password" "db" {\n  length = 16\n}', 'variable "token_lifetime" { default = 3600 }',
    "  + password_data = (known after apply)", "  ~ password = (sensitive value)",
    "unexpected token '}' at line 4", 'JSON.parse: Unexpected token "o" at 1', "unexpected token 'else'",
    "error: expected token ';' before 'return'", "ValueError: invalid token 'x' at line 4",
    'Error: secret "registry-login" already exists', 'secret "db-credentials" not found', "no secret 'db' in namespace shop",
    "pass: 12 fail: 3 skip: 1", "tests: pass=12, failed=0", "--- PASS: TestToken (0.00s)",
    "PWD=/srv/shop", "OLDPWD=/srv",
    "    token = self.tokens.fetch(customer_id)\n", "Client(api_key=settings.api_key, password=os.environ['DB_PASSWORD'])",
    "docker-compose run -u node:node app", "docker run --rm --user www-data:www-data -p 80:80 shop",
    "rsync -a --user ada:users /srv host:/srv", "curl --cert C:/certs/a.pem https://h",
    '<label>Password:</label><input type="password" name="password"><button>Login</button>',
]  # fmt: skip


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_plainly_no_secret_is_shown(text: str) -> None:
    assert redact_text(text, BUILT_IN) == text


@pytest.mark.parametrize(
    "value",
    [
        {"metrics": [{"name": "auth_token_refresh_seconds", "value": 0.4}, {"name": "secrets_rotated", "value": 3}]},
        {"token_lifetime": 3600, "session_key_rotation": "weekly", "pinColor": "red", "show_password": False},
        {"apiVersion": "v1", "kind": "Pod", "spec": {"automountServiceAccountToken": False}},
        {"transfer": {"chargeBearer": "SHAR", "remittance": "Miete"}, "token-service": {"replicas": 2}},
        {"args": ["--cert", "C:/certs/a.pem"]},
        {"args": ["docker", "run", "-u", "node:node", "app"]},
    ],
)
def test_what_is_plainly_no_secret_is_shown_in_a_document(value: Any) -> None:
    assert redact(value, BUILT_IN) == (value, frozenset())


@pytest.mark.parametrize(
    "line",
    [
        "token_type=bearer ~", "my secrets: ~",
        "password: wrong-~", "credentials: from:~", "the pwd is /~", "private key /Etc/~+/~", "db-password v~",
        "db_password 2026-~", "api_key 01a248a4-8588-4157-9045-666c1fa153d9~", "api_key https://h/~", "requirepass ~",
        "CONFIG SET requirepass ~", "kubectl create configmap a; kubectl create secret generic x --from-literal=any=~",
        "kubectl create configmap a --from-literal=db_password=~", 'resource "random_password" "~"', "password = (known~",
        "invalid token '~'", "unexpected token '~'", 'secret "~" refused', 'the secret is "~"', "pass: 4711~, fail: 3",
        "pass=~ failed", "PASS: ~", "PWD=~", "Uid=sa;Pwd=/~;", "password=self~", "token = self.login('~')",
        "docker run img curl -u ada:~ https://h", "docker login; curl -u ada:~ https://h", "curl --cert c.pem:~ https://h",
        '<label>Password:</label><input name="password" value="~">', "<b>Password:</b><i>~</i>",
    ],
)  # fmt: skip
def test_what_only_resembles_it_is_hidden(line: str) -> None:
    shown = redact_text(line.replace("~", CANARY), BUILT_IN)
    assert CANARY not in shown
    assert PLACEHOLDER in shown
