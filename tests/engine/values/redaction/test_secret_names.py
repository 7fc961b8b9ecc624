"""Which names are those of secrets."""

from __future__ import annotations

import pytest
import re2

from engine.values.redaction.secret_names import MAY_BE, is_secret_name


def words(text: str) -> list[str]:
    return text.split()


SECRET = words("""
    pass db_pass dbPass userpass smtpPass pw db_pw oldpwd PassWord pass_word password1 newPassword2 confirm-password passkey
    apikeys api_keys apiKeys API-KEY x_api_key1 sshKey master-key AccountKey Ocp-Apim-Subscription-Key hmacKey privKey privkey
    sharedAccessKey webhookSecret shared_secrets cred creds csrf xsrf-token X-Amz-Signature X-Amz-Credential sess_id sessid
    mfaCode verification_code recoveryCodes backup_codes 2faCode pins cvv2 CVC2 csc ibans otps jwts signatures cookies
    session_cookie seedPhrase mnemonic securityAnswer social_security_number code_verifier client_assertion basicAuth authHeader
    passwort Kennwort contraseña mot_de_passe wachtwoord senha пароль user_пароль 密码 パスワード
    ｐａｓｓｗｏｒｄ pаssword pаsswоrd ТOKEN tоken pásswörd pass\u200bword pass\u00adword apі_kеy ｃｖｖ
    pincode pin-codes customerPins debtorIBANs creditCards debit-cards sshkeys sessionkeys authcode basicauth cvn2 PUK setCookies
    rootpw bindPW oauthVerifier oauth_code cardVerificationValue PersonalIdentificationNumber Passwörter benutzer_passwörter
    Passwoerter Kennwörter Datenbankpasswort Geheimnis Geheimzahl Kartennummer Kreditkarte Kreditkartennummer Kontonummer
    Zugangsdaten Kartenprüfnummer
    ansible_ssh_pass ansible_become_pass keystorePass truststore_pass storepass keypass auths _auth psk wifi_psk PresharedKey
    app_key APPLICATION_KEY client_geheimnis Geheimschlüssel apiSchluessel API-Schlüssel Zugangsschlüssel Sicherheitscode mdp
    mot_de_passe jeton jeton_d_acces cle_api clé_secrète clé_d_accès code_secret clave_secreta claveApi clave_de_acceso secreto
    chiave_segreta palavra-passe şifre heslo adgangskode passord jelszó mật_khẩu
""")
PLAIN = words("""
    pin_count pinCount stop_pins_total_count password_length passwordPolicy password_required passwordExpiresAt secretName
    password_changed_at signature_required signatureDate token_expires_at tokenExpiry max_pin_attempts num_tokens total_tokens
    has_password is_password_set cached_tokens audio_tokens thinking_tokens eos_token_id pad_token token_id start_token
    pagination_token time_to_first_token max_new_tokens cache_read_input_tokens compass bypass trespass boarding_passenger
    keyboard monkey cards scorecard session sessions public_key partition_key idempotencyKey status_code zip_code promo_code
    author tokenizer spinner opinion company credit discredit accredited authMethod auth_type accountName пинок ключ
    max_tokens next_page_token pinned shipping cardinality discard expiry unpinned pinterest spinning standard wildcard clipboard
    dashboard postcard cardinal_direction creditCardType cardExpiry token_type otpExpiry signatureAlgorithm passport sessionCount
    token_endpoint token_endpoint_auth_methods_supported authorizationEndpoint POSTGRES_PASSWORD_FILE privateKeyPath
    cvc_check pin_check auth auths_count first_pass boarding_pass ski_pass season_pass bypass
    Schlüsselwort Wohnungsschlüssel clave clave_producto palabra_clave clé mdpi jetons enclave psk_type app_keyboard pass_through
    token_lifetime session_key_rotation auth_token_refresh_seconds secrets_rotated passwordChanged tokenTimeout pinColor
    chargeBearer token-service password-stdin
    show_password hidePassword requireSignature automountServiceAccountToken login_password_failures
    ibanRequired designation tanning distance publicKeys primary_keys keyboardType cookieConsentVersion konto karte
""")


@pytest.mark.parametrize("name", SECRET)
def test_names_of_secrets_in_any_spelling(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", [name for name in SECRET if name.isascii()])
def test_a_look_at_a_text_finds_every_name(name: str) -> None:
    assert re2.search(f"(?i){MAY_BE}", name) is not None


@pytest.mark.parametrize("name", PLAIN)
def test_what_counts_or_describes_is_shown(name: str) -> None:
    assert not is_secret_name(name)
