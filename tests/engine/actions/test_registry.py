"""Declaring actions and finding them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from engine.actions import registry as registry_module
from engine.actions.declaration import action, declarations_of
from engine.actions.registry import ActionRegistry, load_actions, secret_provider
from engine.definition.models import RetryPolicy
from engine.errors import Invalid, StepFailure
from engine.settings import Settings


class Ticket(BaseModel):
    title: str


class Made(BaseModel):
    number: int


async def create(call: Ticket, ctx: Any) -> Made:
    """Create a ticket.

    More words.
    """
    return Made(number=len(call.title))


def module(**members: Any) -> ModuleType:
    made = ModuleType("made_actions")
    vars(made).update(members)
    return made


def test_a_declaration_has_all_the_engine_must_know() -> None:
    retry = {"maxAttempts": 3, "backoffMs": 100}
    handler = action("crm.create_ticket", version=2, input=Ticket, output=Made, timeout=30, retry=retry)(create)
    registry = ActionRegistry()
    registry.register_module(module(create=handler))
    registered = registry.get("crm.create_ticket", 2)
    assert registered.handler is create
    assert registered.description == "Create a ticket."
    assert registered.label == "crm.create_ticket@2"
    traits = registry.traits("crm.create_ticket", 2)
    assert (traits.quick, traits.transaction, traits.side_effects, traits.timeout_seconds) == (False, False, True, 30.0)
    assert traits.retry == retry
    assert registry.input_schema("crm.create_ticket", 2)["required"] == ["title"]
    assert registry.output_schema("crm.create_ticket", 2)["properties"]["number"]["type"] == "integer"


def test_times_that_are_not_given() -> None:
    slow = action("a.slow", input=Ticket, output=Made)(lambda call, ctx: None)
    quick = action("a.quick", input=Ticket, output=Made, quick=True)(lambda call, ctx: None)
    assert declarations_of(slow)[0].traits.timeout_seconds == 600
    assert declarations_of(quick)[0].traits.timeout_seconds == 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"action_id": "no spaces"}, "the id must be names"),
        ({"action_id": ""}, "the id must be names"),
        ({"version": 0}, "version must be a whole number"),
        ({"version": True}, "version must be a whole number"),
        ({"input": dict}, "input must be a pydantic model"),
        ({"output": None}, "output must be a pydantic model"),
        ({"quick": True, "timeout": 6}, "at most 5 seconds"),
        ({"timeout": 0}, "above 0"),
        ({"timeout": 8 * 24 * 3600}, "at most 604800 seconds"),
        ({"transaction": True}, "needs quick=True"),
        ({"retry": {"maxAttempts": 0, "backoffMs": 1}}, "retry/maxAttempts"),
        ({"retry": {"maxAttempts": 1, "backoffMs": 1, "attempts": 2}}, "retry/attempts"),
        ({"idempotency_key": lambda: "k"}, "function of"),
    ],
)
def test_a_wrong_declaration_is_refused_when_it_is_made(changes: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"action_id": "a.b", "input": Ticket, "output": Made} | changes
    with pytest.raises(Invalid, match=said) as refused:
        action(**arguments)(create)
    assert refused.value.code == "ACTION_DECLARATION_INVALID"


def test_a_transactional_action_must_be_async_and_take_two_arguments() -> None:
    with pytest.raises(Invalid, match="async function"):
        action("a.b", input=Ticket, output=Made, quick=True, transaction=True)(lambda call, ctx: None)
    with pytest.raises(Invalid, match=r"\(input, ctx\)"):
        action("a.b", input=Ticket, output=Made)(lambda call: None)


def test_one_name_has_one_owner() -> None:
    first = action("a.b", input=Ticket, output=Made)(lambda call, ctx: None)
    second = action("a.b", input=Ticket, output=Made)(lambda call, ctx: None)
    registry = ActionRegistry()
    registry.register_module(module(first=first, again=first))
    with pytest.raises(Invalid, match=r"Two actions are called a\.b@1") as refused:
        registry.register_module(module(second=second))
    assert refused.value.code == "ACTION_DUPLICATE"
    with pytest.raises(Invalid):
        registry.register_module(
            module(mine=action("transform.trim_text", input=Ticket, output=Made)(lambda call, ctx: 1))
        )


def test_one_function_can_be_several_versions() -> None:
    handler: Callable[[Any, Any], Any] = lambda call, ctx: None  # noqa: E731 - a fresh function, so that no other test marks it
    action("a.b", version=1, input=Ticket, output=Made)(handler)
    action("a.b", version=2, input=Ticket, output=Made)(handler)
    registry = ActionRegistry()
    registry.register_module(module(handler=handler))
    assert registry.versions_of("a.b") == [1, 2]


def test_a_missing_action_is_told_with_what_there_is(registry: ActionRegistry) -> None:
    with pytest.raises(StepFailure) as failed:
        registry.get("store.get", 7)
    assert (failed.value.category, failed.value.code) == ("ActionError", "ACTION_NOT_REGISTERED")
    assert "Registered under that name: version 1." in failed.value.message
    assert failed.value.details == {"actionId": "store.get", "version": 7, "versions": [1]}
    assert "store.get, store.increment" in registry.missing("store.fetch", 1)
    assert "check the spelling" in registry.missing("shop.fetch", 1)
    for action_id in ("store.get", "store.fetch", "shop.fetch"):
        assert "`runstudio worker --actions MODULE`" in registry.missing(action_id, 7)


def test_everything_built_in_is_there_and_described(registry: ActionRegistry) -> None:
    assert [name for name in registry.names() if not name.startswith("transform.")] == [
        "http.request", "links.delete", "links.list", "links.list_namespaces", "links.lookup", "links.upsert",
        "store.delete", "store.get", "store.increment", "store.list", "store.list_namespaces", "store.set",
    ]  # fmt: skip
    assert len([name for name in registry.names() if name.startswith("transform.")]) == 27
    for registered in registry:
        assert registered.description, registered.label
        assert registered.input_schema()["type"] == "object"
        assert registered.output_schema()["type"] == "object"
        own = registered.id.startswith(("store.", "links."))
        assert (registered.traits.quick and registered.traits.transaction) is own or registered.pure
        assert registered.traits.retry is None or RetryPolicy.model_validate(registered.traits.retry)
    assert registry.get("transform.trim_text", 1).pure
    assert not registry.get("transform.regex_match", 1).pure
    assert registry.input_schema("transform.truncate_text", 1)["required"] == ["maxLength"]
    assert registry.input_schema("transform.truncate_text", 1)["properties"]["maxLength"]["minimum"] == 0


def test_modules_are_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from pydantic import BaseModel\nfrom engine.actions.registry import action\n"
        "class Empty(BaseModel):\n    pass\n"
        "@action('made.thing', input=Empty, output=Empty)\nasync def thing(call, ctx):\n    return Empty()\n"
    )
    (tmp_path / "made_up_actions.py").write_text(source)
    (tmp_path / "made_up_nothing.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_actions(["made_up_actions", "made_up_actions"], Settings()).find("made.thing", 1)
    with pytest.raises(Invalid, match="has no action") as refused:
        load_actions(["made_up_nothing"], Settings())
    assert refused.value.code == "ACTIONS_MISSING"
    with pytest.raises(Invalid, match="cannot be loaded") as refused:
        load_actions(["made_up_absent"], Settings())
    assert refused.value.code == "ACTION_MODULE_UNAVAILABLE"
    assert "--actions" in refused.value.hint
    sys.modules.pop("made_up_actions", None)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def half(:\n", "line 1"),
        ("import made_up_absent\n", "No module named 'made_up_absent'"),
        ("x = 1\nx.nothing\n", "AttributeError: 'int' object has no attribute 'nothing' (FILE, line 2)"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0 (FILE, line 2)"),
        ("class Panic(BaseException): ...\nraise Panic('no GPU')\n", "Panic: no GPU (FILE, line 2)"),
        ("raise ImportError\n", "ImportError (FILE, line 1)"),
    ],
)
def test_what_a_module_raises_when_it_is_loaded_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    file = tmp_path / "made_up_broken.py"
    file.write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Invalid) as refused:
        load_actions(["made_up_broken"], Settings())
    assert refused.value.code == "ACTION_MODULE_UNAVAILABLE"
    assert told.replace("FILE", str(file)) in refused.value.message


STAND_IN = """
class Later:
    @property
    def __class__(self):
        raise RuntimeError("Working outside of request context.")


class Curious:
    def __getattr__(self, name):
        globals()["asked_" + name] = True
        raise AttributeError(name)


request, curious = Later(), Curious()
"""


def test_a_stand_in_beside_the_actions_of_a_module_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Web frameworks have such for the request or the settings, and they raise, or change the module, when they are asked."""
    (tmp_path / "made_up_web.py").write_text(
        STAND_IN + "from pydantic import BaseModel\nfrom engine.actions.registry import action\n"
        "@action('web.call', input=BaseModel, output=BaseModel)\nasync def call(given, ctx): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_actions(["made_up_web"], Settings()).find("web.call", 1)


def test_a_name_that_no_module_can_have_is_refused() -> None:
    for name in ("made_up/actions.py", ".actions", "a..b"):
        with pytest.raises(Invalid, match="cannot be loaded"):
            load_actions([name], Settings())


def test_a_declaration_that_is_refused_says_so_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_wrong.py").write_text(
        "from engine.actions.registry import action\n@action('no spaces', input=int, output=int)\nasync def wrong(): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Invalid) as refused:
        load_actions(["made_up_wrong"], Settings())
    assert refused.value.code != "ACTION_MODULE_UNAVAILABLE"


async def test_a_process_takes_secrets_from_its_environment_its_directory_and_the_registered_providers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @secret_provider
    async def vault(name: str, tenant: str) -> str | None:
        return f"vault of {tenant}" if name in {"A_ENV", "B_FILE", "C_VAULT"} else None

    registry = ActionRegistry()
    registry.register_module(module(vault=vault, do=action("a.do", input=Ticket, output=Made)(lambda call, ctx: None)))
    monkeypatch.setenv("RUNSTUDIO_SECRET_A_ENV", "env")
    for name in ("A_ENV", "B_FILE"):
        (tmp_path / name).write_text("file")
    secrets = registry.secrets(Settings(secrets_dir=tmp_path))
    wanted = [{"$secret": name} for name in ("A_ENV", "B_FILE", "C_VAULT")]
    resolved = await secrets.resolve(wanted, ["/0", "/1", "/2"], "t1")
    assert resolved.value == ["env", "file", "vault of t1"]


def test_a_secret_provider_must_be_async() -> None:
    with pytest.raises(Invalid, match="not an async function"):
        secret_provider(lambda name, tenant: None)  # type: ignore[arg-type,return-value] # that is the point


def test_installed_packages_bring_their_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(create=action("a.installed", input=Ticket, output=Made)(lambda call, ctx: None))
    monkeypatch.setitem(sys.modules, "made_actions", made)
    entry = EntryPoint("made", "made_actions", registry_module.ENTRY_POINTS)
    monkeypatch.setattr(registry_module, "entry_points", lambda group: EntryPoints([entry]).select(group=group))
    assert load_actions(settings=Settings()).find("a.installed", 1)


def test_the_pure_half_reaches_nothing_impure() -> None:
    """What the workflow imports must not drag a database, a network or a logger in."""
    import subprocess

    script = (
        "import sys, engine.actions.pure\n"
        "impure = 'sqlalchemy', 'psycopg', 'httpx', 'structlog', 'temporalio', 're2', 'asyncio', 'engine.settings'\n"
        "print([name for name in impure if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout


def test_the_documentation_lists_every_built_in_action(registry: ActionRegistry) -> None:
    page = (Path(__file__).parents[3] / "docs" / "actions.md").read_text()
    assert [name for name in registry.names() if f"`{name}`" not in page and f"### {name}:" not in page] == []
