"""Secrets in settings and statements of well-known systems, as their documents have them."""

from __future__ import annotations

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

CANARY = "zK9qLm27xWvT"
LONG = "The parcel is on its way.\n" * 20

HIDDEN = [
    "setx DB_PASSWORD ~",
    'setx API_TOKEN "correct horse"',
    "set -gx API_TOKEN horse",
    "ENV DB_PASSWORD horse",
    "aws configure set aws_secret_access_key ~",
    "git config --global api.token ~\ngit config set api_token horse",
    'proxy_set_header X-Api-Key "~";',
    'RequestHeader set X-Api-Key "~"',
    "db_password ~",
    "env['DB_PASSWORD'] = '~'",
    'os.environ["API_KEY"] = "~"',
    "app.config['SECRET_KEY'] = '~'",
    "define( 'AUTH_KEY',  '~' );",
    'source.setPassword("~")',
    "client.set_token('~')",
    "ConvertTo-SecureString '~' -AsPlainText -Force",
    "machine h\n  login ada\n  password horse\n",
    "requirepass horse",
    "user ada insecure-password horse",
    "rabbitmqctl add_user ada ~",
    "kubectl create secret generic x --from-literal=any=~",
    'variable "db_password" {\n  type = string\n  default = "~"\n}',
    "//registry.npmjs.org/:_auth=~",
    "userPassword:: ~",
    "userPassword: {SSHA}~",
    "CREATE USER ada IDENTIFIED WITH mysql_native_password BY '~'",
    "CREATE USER ada IDENTIFIED BY ~",
    "SET PASSWORD FOR 'ada'@'h' = '~'",
    "SET PASSWORD FOR 'ada'@'h' = PASSWORD('~')",
    "<property><name>db.password</name><value>~</value></property>",
    "<property>\n  <name>db.password</name>\n  <value>~</value>\n</property>",
    '<property name="password"><value>~</value></property>',
    '<string name="api_key">~</string>',
    '<entry key="password"><![CDATA[~]]></entry>',
    "<password><value>~</value></password>",
    "<tr><th>API key</th><td><code>~</code></td></tr>",
    "Mot de passe : ~",
    "Clé d'accès : ~",
    "API-Schlüssel: ~",
    "curl -U proxy:~ https://h",
    "curl --cert cert.pem:~ https://h",
    "curl -E cert.pem:~ https://h",
    "http -a ada:~ https://h",
    "snmpget -v2c -c ~ h",
    "sqlplus scott/~@db",
    "sqlplus -s scott/~@//h:1521/x",
    "secrets:\n  db: ~\n  other: ~\n",
    "auth:\n  credentials:\n    user: horse\n\n    key: ~\nname: x",
    "Stripe-Signature: t=1,v1=~",
    "Ihr Kennwort lautet: ~",
    "Votre mot de passe est : ~",
    "Su contraseña es ~",
    "jeton d'accès : ~",
    "apikey ~",
    "psexec \\\\h -u ada -p ~ cmd",
    "keytool -storepass ~ -keypass ~",
]


@pytest.mark.parametrize("line", HIDDEN)
def test_a_secret_in_a_setting_is_hidden(line: str) -> None:
    text = line.replace("~", CANARY)
    shown = redact_text(text, BUILT_IN)
    assert CANARY not in shown
    assert "horse" not in shown
    assert PLACEHOLDER in shown
    assert redact_text(shown, BUILT_IN) == shown
    assert redact({"note": text}, BUILT_IN)[0] == {"note": PLACEHOLDER}
    # Long texts are looked at in another way first.
    assert redact_text(f"{text}\n{LONG}", BUILT_IN) == f"{shown}\n{LONG}"


@pytest.mark.parametrize(
    "text",
    [
        "set x 5", "ENV MODE production", "ENV PATH /usr/bin", "git config user.name Ada", 'proxy_set_header Host "h";',
        'env["MODE"] = "x"', "define('WP_DEBUG', 'true');", 'source.setName("x")', "use_tokenizer('bpe')", "requirement: x",
        "login ada", "machine h login ada", "the api-key was not given", "a db_password is needed", "see API_KEY in the manual",
        "step token-refresh run01x failed", "topic user-password-reset v1a2b3c",
        "column password_hash bytea4x", "the db_password column2",
        "identified by its number", "is identified by user", "<name>color</name><value>red</value>",
        '<string name="title">Hello</string>', "<tr><th>Name</th><td><code>x</code></td></tr>",
        'variable "region" { default = "eu" }',
        "docker run -u 1000:1000 nginx", "psql -U ada -d db", "sed -E s:a:b:", "grep -E 'a:b' f", "curl -k https://h",
        "openssl req -new -key k.pem", "Tokens: 400 of 4096", "password VARCHAR(255)", "token varchar(20) NOT NULL",
        "name:\n  first: Ada\n",
        "clave: producto", "palabra clave: x", "auth=none", "{x} and {yz}", "max_tokens 500", "next_page_token",
    ],
)  # fmt: skip
def test_other_settings_are_shown(text: str) -> None:
    assert redact_text(text, BUILT_IN) == text
