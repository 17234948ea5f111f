"""Every setting of the service: environment variables with the prefix SFERUM_, checked once at start-up."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SFERUM_"

Words = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment."""


class Settings(BaseSettings):
    """All settings. Where a default is empty, development fills in the sandbox's address and production refuses."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    environment: Annotated[
        Literal["development", "production"],
        Field(description="`development` turns on introspection and GraphiQL and takes the sandbox for all outside."),
    ] = "production"
    host: Annotated[str, Field(description="Address on which the API and the sandbox listen.")] = "127.0.0.1"
    port: Annotated[int, Field(description="Port of the API.", ge=1, le=65535)] = 8000
    sandbox_port: Annotated[int, Field(description="Port of the sandbox.", ge=1, le=65535)] = 8001
    data_dir: Annotated[Path, Field(description="Where embedded servers and the sandbox keep their data.")] = Path(
        ".data"
    )
    database_url: Annotated[
        SecretStr | None, Field(description="`postgresql://…` of PostgreSQL 15 or newer; unset: embedded.")
    ] = None
    redis_url: Annotated[SecretStr | None, Field(description="`redis://…`; unset: embedded.")] = None
    database_connections: Annotated[
        int, Field(description="Largest number of database connections a process holds.", ge=2)
    ] = 10
    demo: Annotated[bool, Field(description="Load the demonstration schools at the first start.")] = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Least level that is logged, as JSON lines.")
    ] = "INFO"

    public_url: Annotated[
        str, Field(description="Where people's browsers reach the API, without a path, https in production.")
    ] = ""
    allowed_origins: Annotated[
        Words, Field(description="Front ends' origins for CORS and WebSocket handshakes; empty: own origin only.")
    ] = ()
    return_addresses: Annotated[
        Words, Field(description="Addresses that linking may return to, each matched exactly.")
    ] = ()
    link_attempt_seconds: Annotated[int, Field(description="How long linking an account may take.", ge=1)] = 900
    sockets_per_user: Annotated[int, Field(description="Most WebSockets that one user may hold open.", ge=1)] = 10

    token_issuer: Annotated[str, Field(description="`iss` of the school system's bearer tokens.")] = ""
    token_audience: Annotated[str, Field(description="`aud` of the school system's bearer tokens.")] = "sferum-registry"
    token_jwks_url: Annotated[str, Field(description="Address of the school system's JWK set.")] = ""

    vk_id_url: Annotated[str, Field(description="VK ID, as `https://id.vk.ru`.")] = ""
    vk_api_url: Annotated[str, Field(description="VK API, as `https://api.vk.ru/method`.")] = ""
    vk_client_id: Annotated[str, Field(description="The application's id at VK ID.")] = ""
    vk_timeout_seconds: Annotated[float, Field(description="Longest wait for one answer of VK.", gt=0, le=60)] = 5.0
    vk_calls_per_second: Annotated[int, Field(description="Calls a second that one token may make.", ge=1)] = 3
    sferum_url: Annotated[str, Field(description="The platform's address behind «Go to Sferum».")] = (
        "https://web.vk.me/"
    )
    token_keys: Annotated[
        SecretStr | None,
        Field(description="Keys that encrypt VK ID tokens, comma-separated Fernet keys, the newest first."),
    ] = None

    import_max_removal: Annotated[
        int,
        Field(description="Largest share, in percent, that an import may end without being told to.", ge=0, le=100),
    ] = 20
    erase_after_days: Annotated[
        int, Field(description="After how many days without any capacity a person is erased (AUDIT-03).", ge=1)
    ] = 365
    prepare_seconds: Annotated[
        int, Field(description="How long before its start a conference's call is prepared (CONF-17).", ge=0, le=60)
    ] = 60

    @field_validator("allowed_origins", "return_addresses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("public_url", "token_jwks_url", "vk_id_url", "vk_api_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError("must be a web address that begins with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sandbox = f"http://127.0.0.1:{self.sandbox_port}"
        in_development = {
            "public_url": f"http://127.0.0.1:{self.port}",
            "token_issuer": f"{sandbox}/school",
            "token_jwks_url": f"{sandbox}/school/.well-known/jwks.json",
            "vk_id_url": f"{sandbox}/id",
            "vk_api_url": f"{sandbox}/api/method",
            "vk_client_id": "51000001",
        }
        for name, value in in_development.items():
            if not getattr(self, name):
                if self.environment == "production":
                    raise ValueError(f"{PREFIX}{name.upper()} must be set in production")
                object.__setattr__(self, name, value)
        return self


class BadSettings(Exception):
    """The environment holds a setting that cannot be used; the message names the variable and never its value."""


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; `overrides` win over it.

    Raises:
        BadSettings: with one line for each variable at fault.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_input=False, include_url=False):
            where = PREFIX + str(fault["loc"][0]).upper() + ": " if fault["loc"] else ""
            lines.append(where + fault["msg"].removeprefix("Value error, "))
        raise BadSettings("\n".join(lines)) from None
