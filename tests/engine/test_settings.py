"""Settings: every variable has a meaning and a test, nothing else is one, and a wrong value is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Invalid, Unavailable
from engine.settings import Settings, cache_dir, default_data_dir, home_dir
from engine.temporal.client import connect_config, connect_temporal

DOCUMENT = Path(__file__).parents[2] / "docs" / "development.md"


def variables() -> set[str]:
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def test_every_variable_is_described_here_and_in_the_documentation() -> None:
    text = DOCUMENT.read_text()
    for field in Settings.model_fields.values():
        assert field.description
        assert f"`{field.validation_alias}`" in text
    assert variables() >= {"DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "RUNSTUDIO_DATA_DIR"}


def test_nothing_selects_an_engine_or_a_queue() -> None:
    assert not [name for name in variables() if "ENGINE" in name or "QUEUE" in name or "ENABLE" in name]


def test_an_unrelated_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings.load()
    for field in Settings.model_fields:
        monkeypatch.setenv(field.upper(), "x") if field.upper() not in variables() else None
        monkeypatch.setenv(f"runstudio_{field}", "x")
    assert Settings.load() == before


def test_variables_are_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNSTUDIO_ACTIONS", "mine.actions, yours.actions,")
    monkeypatch.setenv("RUNSTUDIO_HEALTH_PORT", "8080")
    monkeypatch.setenv("RUNSTUDIO_HTTP_ALLOWED_HOSTS", "")
    settings = Settings.load(health_port=9090)
    assert settings.action_modules == ("mine.actions", "yours.actions")
    assert settings.health_port == 9090
    assert settings.http_allowed_hosts == ()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_form_of_a_database_url_is_taken(scheme: str) -> None:
    assert Settings.load(database_url=f"{scheme}://u:p@h/d").database_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://user:a-secret@host/database"),
        ("DATABASE_URL", "a-secret"),
        ("RUNSTUDIO_HEALTH_PORT", "70000"),
        ("RUNSTUDIO_LOG_LEVEL", "a-secret"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Invalid) as refusal:
        Settings.load()
    assert refusal.value.code == "SETTING_INVALID"
    assert name in str(refusal.value)
    assert "a-secret" not in str(refusal.value)


def test_a_missing_database_is_said_so() -> None:
    with pytest.raises(Invalid) as refusal:
        Settings.load().required_database_url()
    assert refusal.value.code == "DATABASE_URL_MISSING"
    assert Settings.load(database_url="postgresql://h/d").required_database_url().endswith("//h/d")


def test_directories_follow_the_desktop_conventions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "relative")
    assert default_data_dir() == tmp_path / ".local/share/runstudio"
    assert cache_dir() == tmp_path / ".cache/runstudio"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_data_dir() == Path("/data/runstudio")
    assert cache_dir() == Path("/cache/runstudio")
    monkeypatch.setenv("HOME", "")
    assert home_dir().is_absolute()


def test_temporals_own_variables_configure_the_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "TEMPORAL_ADDRESS": "europe.example:7233",
        "TEMPORAL_NAMESPACE": "orders.a1b2c",
        "TEMPORAL_API_KEY": "key",
        "TEMPORAL_TLS_SERVER_NAME": "europe.example",
        "TEMPORAL_TLS_CLIENT_CERT_PATH": "",
        "TEMPORAL_GRPC_META_TEAM": "orders",
    }.items():
        monkeypatch.setenv(name, value)
    config = connect_config(Settings.load())
    assert config["target_host"] == "europe.example:7233"
    assert config["namespace"] == "orders.a1b2c"
    assert config["api_key"] == "key"
    assert config["tls"].domain == "europe.example"
    assert config["rpc_metadata"] == {"team": "orders"}
    # An argument wins over the variable.
    assert connect_config(Settings.load(temporal_address="here:1"))["target_host"] == "here:1"


def test_the_configuration_file_counts_where_no_variable_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "from-file:7233"\n[profile.other]\nnamespace = "n"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert Settings.load().temporal_address is None, "only a variable says that the dev stack must not start its own"
    assert connect_config(Settings.load()) == {"target_host": "from-file:7233", "namespace": "default"}
    monkeypatch.setenv("TEMPORAL_PROFILE", "other")
    with pytest.raises(Invalid) as refusal:
        connect_config(Settings.load())
    assert refusal.value.code == "TEMPORAL_ADDRESS_MISSING"
    for broken in ("TEMPORAL_PROFILE", "TEMPORAL_TLS_CLIENT_CERT_PATH"):
        monkeypatch.setenv(broken, "/no/such")
        with pytest.raises(Invalid) as refusal:
            connect_config(Settings.load())
        assert refusal.value.code == "TEMPORAL_CONFIG_INVALID"
        monkeypatch.delenv(broken)


async def test_a_client_is_connected_or_says_where_nobody_answers(temporal_address: str) -> None:
    client = await connect_temporal(Settings.load(temporal_address=temporal_address), identity="me")
    assert client.identity == "me"
    assert client.namespace == "default"
    with pytest.raises(Unavailable) as refusal:
        await connect_temporal(Settings.load(temporal_address="127.0.0.1:1"))
    assert refusal.value.code == "TEMPORAL_UNAVAILABLE"
    assert "127.0.0.1:1" in refusal.value.message
    lazy = await connect_temporal(Settings.load(temporal_address="127.0.0.1:1"), lazy=True)
    assert lazy.namespace == "default"
