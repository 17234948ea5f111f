"""The sandbox's parts that every answer may need: its store, its keys, its present settings, its clock."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joserfc.jwk import RSAKey
from pydantic import BaseModel, ConfigDict, Field

from infrastructure.sandbox.keys import signing_key
from infrastructure.sandbox.store import Store
from infrastructure.settings import Settings


class Rules(BaseModel):
    """What `/control/settings` can change: lives in seconds, and how VK behaves (vk.md 1.3, 1.7, 2.6, 4)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    access_token_s: float = Field(default=3600, ge=0)
    refresh_token_s: float = Field(default=15_552_000, ge=0)
    code_s: float = Field(default=600, ge=0)
    sms_s: float = Field(default=300, ge=0)
    call_lapse_s: float | None = Field(default=None, ge=0)
    latency_ms: float = Field(default=0, ge=0, le=60_000)
    chat_capacity: int = Field(default=500, ge=1)
    callback_form: Literal["plain", "payload"] = "plain"
    callback_omits_device_id: bool = False
    callback_wrong_state: bool = False
    declines_invitations: list[int] = []
    redirect_uris: list[str] = []


@dataclass(frozen=True, slots=True)
class World:
    """Handed to each handler; the clock is the machine's, in Unix seconds."""

    settings: Settings
    store: Store
    vk_id_key: RSAKey

    @property
    def rules(self) -> Rules:
        """The present settings of the sandbox."""
        changed = {row["name"]: json.loads(row["value"]) for row in self.store.rows("select * from settings")}
        return Rules.model_validate(changed)

    def change_rules(self, changes: dict[str, object]) -> Rules:
        """Stores the settings named in `changes`; the others stay.

        Raises:
            pydantic.ValidationError: an unknown name or an impossible value; nothing is changed then.
        """
        checked = Rules.model_validate(self.rules.model_dump() | changes)
        with self.store.change():
            for name in changes:
                value = json.dumps(getattr(checked, name))
                self.store.write("insert or replace into settings values (?, ?)", name, value)
        return checked

    def now(self) -> float:
        """The present moment in Unix seconds."""
        return time.time()


def sandbox_dir(settings: Settings) -> Path:
    """Where the sandbox keeps its state and its keys."""
    return settings.data_dir / "sandbox"


def open_world(settings: Settings) -> World:
    """Opens what an earlier process left, or an empty world."""
    directory = sandbox_dir(settings)
    return World(
        settings=settings,
        store=Store(directory / "sandbox.sqlite"),
        vk_id_key=signing_key(directory / "vk-id-key.json"),
    )
