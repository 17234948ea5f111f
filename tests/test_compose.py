"""docker-compose.yml is valid, its settings suffice, and each of its commands starts, gets ready and ends in time."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.fernet import Fernet

from infrastructure.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS: dict[str, dict[str, Any]] = {
    name: service for name, service in COMPOSE["services"].items() if service.get("command", [""])[0] == "sferum"
}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
# The image and the ports of the Compose file fix these.
NOT_IN_COMPOSE = {"host", "port", "sandbox_port", "data_dir"}


def read_env(name: str) -> dict[str, str]:
    """The variables of a file in deploy/."""
    lines = (ROOT / "deploy" / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled_in(text: str, variables: dict[str, str]) -> str:
    """`text` with the Compose file's variables replaced, as Compose replaces them."""

    def value_of(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        value = variables.get(name, "")
        assert value or kind == "-", f"{name} is not set: {rest}"
        return value or rest

    return VARIABLE.sub(value_of, text)


def environment_of(service: str, variables: dict[str, str]) -> dict[str, str]:
    """What Compose hands the service."""
    return {name: filled_in(value, variables) for name, value in OURS[service]["environment"].items()}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_file_follows_the_compose_specification() -> None:
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"),
            str(ROOT / "docker-compose.yml"),
        ],
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_two_api_processes_and_two_workers_wait_for_the_schema_and_the_sandbox_stays_out_by_default() -> None:
    assert sorted(OURS) == ["api", "demo", "migrate", "sandbox", "worker"]
    for name in ("api", "worker"):
        assert OURS[name]["deploy"]["replicas"] == 2
        assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    in_profile = {name for name, service in COMPOSE["services"].items() if service.get("profiles") == ["sandbox"]}
    assert in_profile == {"sandbox", "demo"}
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in OURS.values())


def test_every_setting_can_be_set_and_every_variable_is_one() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields if name not in NOT_IN_COMPOSE}

    assert set(COMPOSE["x-settings"]) == settings
    for name, value in COMPOSE["x-settings"].items():
        assert name in {"SFERUM_DATABASE_URL", "SFERUM_REDIS_URL"} or value.startswith(f"${{{name}:")


def test_what_example_env_asks_for_is_all_that_production_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = read_env("example.env")
    secrets = {
        "POSTGRES_PASSWORD": "p",
        "SFERUM_VK_CLIENT_ID": "1",
        "SFERUM_TOKEN_KEYS": Fernet.generate_key().decode(),
    }
    assert {name for name, value in variables.items() if not value} == set(secrets)
    for name, value in environment_of("api", variables | secrets).items():
        monkeypatch.setenv(name, value)

    settings = load_settings()

    assert settings.environment == "production"
    assert settings.public_url == "https://" + variables["SFERUM_SITE"]


@pytest.mark.parametrize("name", ["requirements-production.lock", "requirements-sandbox.lock"])
def test_the_image_installs_what_the_tests_run_on(name: str) -> None:
    def pins(file: str) -> dict[str, set[str]]:
        """Hashes by `name==version`."""
        entries = re.split(r"\n(?=\S)", (ROOT / file).read_text(encoding="utf-8"))
        return {re.split(r"[ \\]", entry)[0]: set(re.findall(r"--hash=(\S+)", entry)) for entry in entries}

    everything, installed = pins("requirements.lock"), pins(name)

    assert installed.items() <= everything.items()
    assert all(installed.values())


def test_the_image_installs_every_dependency_of_the_product_and_no_tool() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements-production.lock").read_text(), re.MULTILINE))

    named = {re.split(r"[\[=<>; ]", dependency)[0] for dependency in project["dependencies"]}
    tools = {re.split(r"[\[=<>; ]", dependency)[0] for dependency in project["optional-dependencies"]["development"]}

    assert named <= locked
    assert not tools & locked


def test_the_image_holds_the_code_alone() -> None:
    allowed = {
        line.removeprefix("!").split("/")[0]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(\S+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert {path.split("/")[0] for path in copied} == allowed
    assert all((ROOT / path).exists() for path in copied)
    assert (ROOT / "deploy" / "sferum").stat().st_mode & 0o111


@dataclass
class Part:
    """A running command of the Compose file, and the file of what it writes."""

    process: asyncio.subprocess.Process
    log: Path

    def said(self) -> str:
        """The end of the log."""
        return self.log.read_text(encoding="utf-8")[-3000:]

    async def wait_until(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Waits half a minute at most; fails with the log when the process ends first or the time passes."""
        try:
            async with asyncio.timeout(30):
                while not await ready():
                    assert self.process.returncode is None, self.said()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"not ready: {self.said()}")

    async def end(self, seconds: float = 30) -> int:
        """The exit code, which must come within that time."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, then the exit code, which must come within 10 s."""
        self.process.send_signal(signal.SIGTERM)
        return await self.end(10)


Start = Callable[..., Awaitable[Part]]


@pytest.fixture
async def start(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a service of the Compose file as the sandbox profile would, on the servers of the tests."""
    parts: list[Part] = []

    async def started(service: str, **changes: str) -> Part:
        environment = environment_of(service, read_env("sandbox.env"))
        ours = {"SFERUM_DATABASE_URL": database_url, "SFERUM_REDIS_URL": redis_url}
        assert ours.keys() <= environment.keys()
        plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        path = tmp_path / f"{service}.log"
        with path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "graphql_api.cli", *OURS[service]["command"][1:]),
                cwd=ROOT,
                env=plain | environment | ours | {"SFERUM_DATA_DIR": str(tmp_path)} | changes,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        parts.append(Part(process, path))
        return parts[-1]

    yield started
    for part in parts:
        if part.process.returncode is None:
            part.process.kill()
            await part.process.wait()


def answers(url: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether a GET of `url` is answered with 200."""

    async def ask() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            try:
                return (await client.get(url)).status_code == 200
            except httpx.TransportError:
                return False

    return ask


async def test_migrate_ends_well_on_a_database_that_is_new_already(start: Start) -> None:
    part = await start("migrate")

    assert await part.end() == 0, part.said()


async def test_the_api_gets_ready_and_ends_in_time(start: Start) -> None:
    port = free_port()
    part = await start("api", SFERUM_PORT=str(port))

    await part.wait_until(answers(f"http://127.0.0.1:{port}/health/ready"))

    assert await part.stop() == 0, part.said()


async def test_a_worker_gets_to_work_and_ends_in_time(start: Start) -> None:
    part = await start("worker")

    async def works() -> bool:
        return "worker_works" in part.said()

    await part.wait_until(works)

    assert await part.stop() == 0, part.said()


async def test_the_sandbox_gets_ready_and_ends_in_time(start: Start) -> None:
    port = free_port()
    part = await start("sandbox", SFERUM_SANDBOX_PORT=str(port))

    await part.wait_until(answers(f"http://127.0.0.1:{port}/control/settings"))

    assert await part.stop() == 0, part.said()


async def test_the_demonstration_is_loaded_from_the_running_sandbox(start: Start) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    sandbox = await start("sandbox", SFERUM_SANDBOX_PORT=str(port))
    await sandbox.wait_until(answers(f"{address}/control/settings"))

    part = await start("demo", SFERUM_VK_ID_URL=f"{address}/id")

    assert await part.end(90) == 0, part.said()


async def test_without_a_variable_that_production_needs_the_command_says_which(start: Start) -> None:
    part = await start("worker", SFERUM_ENVIRONMENT="production", SFERUM_VK_CLIENT_ID="")

    assert await part.end() != 0
    assert "SFERUM_VK_CLIENT_ID must be set in production" in part.said()
