"""Settings: `PROGIMAGE_*` variables and a `.env` in the current folder, read and checked once at the start, then passed in.

docs/settings.md is made from this file: another setting is another field here, and nothing else.
"""

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types
from dotenv import dotenv_values
from pydantic import AfterValidator, ByteSize, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from proxy.setting_types import (
    Bytes,
    DatabaseUrl,
    Hosts,
    HttpUrl,
    Keys,
    Negotiable,
    Networks,
    Plans,
    Ports,
    Presets,
    Readable,
    RedisUrl,
    StorageUrl,
    Urls,
    Widths,
    Words,
    plain,
)
from transforms.errors import PlanError
from transforms.plan import Plan
from transforms.rewrites import expanded

PREFIX = "PROGIMAGE_"
DOTENV = ".env"
# What staging may use of the embedded server's memory: a full staging must not stall the task queue beside it.
STAGING_SHARE = 0.75


class WrongSetting(Exception):
    """A line that names the variable, its value unless that is secret, and what is accepted."""


class Settings(BaseSettings):
    """Everything that an operator can set. Fields whose `repr` is off may hold a password: their values are never printed."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=DOTENV, env_file_encoding="utf-8", extra="ignore", frozen=True)

    data: Annotated[Path, AfterValidator(plain), Words(accepted="a folder without : ? # % in its path")] = Field(
        Path("data"), description="The folder for everything that has no server of its own."
    )
    database_url: DatabaseUrl = Field(
        default_factory=lambda given: f"sqlite:///{given['data'] / 'catalog.sqlite3'}", description="The catalog: what exists."
    )
    storage_url: StorageUrl = Field(
        default_factory=lambda given: str(given["data"] / "store"), description="Where originals and variants are kept."
    )
    s3_endpoint_url: Annotated[HttpUrl, Words(accepted="http(s)://host:port", default="Amazon's")] = Field(
        "", description="The S3 server. Credentials and region come from the usual `AWS_*` variables."
    )
    redis_url: RedisUrl = Field("", description="Redis or Valkey with `maxmemory-policy noeviction`: uploads on their way in, and tasks.")
    redis_memory: Bytes = Field(ByteSize(1024**3), description="The memory limit of our own Redis server.")
    public_url: Annotated[HttpUrl, Words(accepted="http(s)://host", default="none: URLs relative to the host")] = Field(
        "", description="What goes before the paths in answers."
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$"), Words(accepted="an ISO 4217 code like EUR")] = Field(
        "EUR", description="The currency of a product that names none."
    )
    presets: Presets = Field("", validate_default=True, description="Plans that have a name: `p_card` in a URL stands for the plan `card`.")
    warm: Plans = Field("w256.webp,w512.webp", validate_default=True, description="The variants that are built after each commit.")
    accept: Readable = Field(
        "jpg,png,webp,gif,avif", validate_default=True, description="The formats taken as uploads; tiff and svg can be added."
    )
    auto_order: Negotiable = Field(
        "avif,webp", validate_default=True, description="What the extension `auto` prefers among the formats that a client names."
    )

    widths: Widths = Field("256,512,1024,2048", validate_default=True, description="The widths in the `srcset` of an image's JSON.")
    width_ladder: Literal["off", "strict", "snap"] = Field(
        "off",
        description="Whether unsigned URLs may name these widths only: `strict` refuses others, `snap` sends them to the next one.",
    )
    variants_per_image: int = Field(
        0, ge=0, description="The most variants of an image that unsigned URLs may have made; 0 for as many as they like."
    )
    edges: Urls = Field(
        "", validate_default=True, description="The nginx servers to be told that an image was deleted (`nginx/site/purge.conf`)."
    )

    remote_sources: Hosts = Field(
        "",
        validate_default=True,
        description="The hosts whose pictures are fetched for `?url=`. Without any, only signed URLs are, from every public host.",
    )
    remote_ports: Ports = Field("80,443", validate_default=True, description="The ports that a `url` may name.")
    remote_networks: Networks = Field(
        "", validate_default=True, description="Networks that are fetched from though their addresses are not public."
    )
    remote_deadline: float = Field(8, gt=0, le=60, description="Seconds that fetching a picture may take, redirects included.")
    remote_ttl: int = Field(
        30 * 24 * 3600, ge=3600, description="Seconds that a remote picture is kept after its source was last asked for it."
    )

    signing_keys: Keys = Field(
        "", validate_default=True, repr=False, description="Keys of signed URLs. The first one signs; all of them are accepted."
    )
    signatures: Literal["off", "remote", "all"] = Field(
        "off", description="Which picture URLs must be signed: none, those with a `url`, or all."
    )
    open_uploads: bool = Field(
        False,
        description="Whether all who reach the server may upload and delete; `serve` on other addresses than loopback wants it said.",
    )

    staging_ttl: int = Field(24 * 3600, ge=1, le=30 * 24 * 3600, description="Seconds that an upload waits to be committed.")
    staging_budget: Bytes = Field(ByteSize(512 * 1024**2), description="The bytes that all waiting uploads may take together.")
    max_bytes: Bytes = Field(ByteSize(25 * 1024**2), description="The largest upload, for each picture.")
    max_body: Bytes = Field(ByteSize(128 * 1024**2), description="The largest request, with all its pictures.")
    max_pixels: int = Field(100_000_000, ge=1, description="The most pixels in a frame of an upload.")
    max_side: int = Field(16_383, ge=1, le=65_535, description="The longest side of an upload, in pixels.")
    max_frames: int = Field(2000, ge=1, description="The most frames of an animation.")
    max_animation_pixels: int = Field(200_000_000, ge=1, description="The most pixels in all frames of an animation together.")
    max_metadata: Bytes = Field(ByteSize(4 * 1024**2), description="The most metadata (EXIF, ICC, XMP) in an upload.")

    renderers: Annotated[int, Words(default="the number of CPU cores")] = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, le=256, description="Child processes that decode and encode."
    )
    request_deadline: float = Field(
        15, gt=0, le=600, description="Seconds after the last byte of a request in which it waits for others and begins with anything."
    )
    render_queue: int = Field(64, ge=0, le=100_000, description="Renders that may wait; more are turned away with 503.")
    render_wait: float = Field(
        3, ge=0, le=60, description="Seconds that a render may wait; when a third of it is foreseen, it is turned away with 503 at once."
    )
    render_soft_deadline: float = Field(5, gt=0, le=600, description="Seconds of work after which a render is told to stop.")
    render_deadline: float = Field(8, gt=0, le=600, description="Seconds after which a render is killed.")
    render_memory: Annotated[ByteSize, Field(ge=700 * 1024**2), Words(accepted="at least 700MiB")] = Field(
        ByteSize(2 * 1024**3), description="The address space of a child."
    )
    render_recycle: int = Field(500, ge=1, description="Renders after which a child is replaced, which gives back fragmented memory.")
    memory_cache: Annotated[ByteSize, Words(accepted="a number of bytes, or one with a unit like 512MiB")] = Field(
        ByteSize(256 * 1024**2), description="Variants that each process keeps in memory."
    )
    worker_threads: int = Field(2, ge=0, le=64, description="Background tasks at a time in a process that works on them.")
    inline_tasks: Annotated[bool, Words(default="on, unless `PROGIMAGE_REDIS_URL` is set")] = Field(
        default_factory=lambda given: not given["redis_url"],
        description="Whether `progimage serve` works on background tasks and purges staging by itself; "
        "if not, run `progimage worker` and, from cron, `progimage purge`.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least important events that are logged.")
    log_format: Annotated[Literal["json", "console"], Words(default="console on a terminal, else json")] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json", description="How they are written."
    )
    drain: float = Field(15, ge=0, le=600, description="Seconds that requests under way are given to end when the server stops.")
    drain_notice: float = Field(
        2, ge=0, le=60, description="Seconds after SIGTERM in which all is served still, while `/readyz` says 503 to a load balancer."
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, values: dict[str, Any]) -> dict[str, Any]:
        """An empty variable is one that is not set, but for lists: an empty list is a list."""
        return {name: value for name, value in values.items() if value != "" or name in ("warm", "auto_order")}

    @field_validator("render_deadline")
    @classmethod
    def _told_before_killed(cls, deadline: float, info: ValidationInfo) -> float:
        if deadline < (soft := info.data.get("render_soft_deadline", 0)):
            raise ValueError(f"less than the {soft:g} seconds of {PREFIX}RENDER_SOFT_DEADLINE, after which a render is told to stop")
        return deadline

    @field_validator("warm")
    @classmethod
    def _presets_are_there(cls, warm: tuple[Plan, ...], info: ValidationInfo) -> tuple[Plan, ...]:
        try:
            for plan in warm:
                expanded(plan, info.data.get("presets", {}))
        except PlanError as error:
            raise ValueError(str(error)) from error
        return warm

    @field_validator("signatures")
    @classmethod
    def _there_is_a_key(cls, signatures: str, info: ValidationInfo) -> str:
        if signatures != "off" and not info.data.get("signing_keys"):
            raise ValueError(f"there is no key in {PREFIX}SIGNING_KEYS to check them with")
        return signatures

    @field_validator("staging_budget")
    @classmethod
    def _budget_fits(cls, budget: ByteSize, info: ValidationInfo) -> ByteSize:
        memory = info.data.get("redis_memory", budget / STAGING_SHARE)
        if not info.data.get("redis_url") and budget > memory * STAGING_SHARE:
            raise ValueError(f"at most {STAGING_SHARE:.0%} of {PREFIX}REDIS_MEMORY")
        return budget


def load() -> Settings:
    """The settings of this process, or WrongSetting for the first thing that is wrong with them."""
    given = _given()
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(given.keys() - known):
        # Compared without the prefix, or every two names would look alike.
        nearest = difflib.get_close_matches(name.removeprefix(PREFIX).lower(), Settings.model_fields, n=1)
        hint = f"did you mean {variable(nearest[0])}?" if nearest else "docs/settings.md lists all settings"
        raise WrongSetting(f"{name}: there is no such setting; {hint}")
    try:
        return Settings()
    except ValidationError as error:
        raise WrongSetting(_sentence(error, given)) from None


def variable(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def _given() -> Mapping[str, str]:
    try:
        in_file = dotenv_values(DOTENV, encoding="utf-8") if Path(DOTENV).is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{DOTENV} cannot be read as UTF-8 text: {type(error).__name__}") from None
    every = {**in_file, **os.environ}
    return {name.upper(): value or "" for name, value in every.items() if name.upper().startswith(PREFIX)}


def _sentence(error: ValidationError, given: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])
    reason = first["msg"].removeprefix("Value error, ") if first["type"] == "value_error" else ""
    return refusal(name, given.get(variable(name), ""), reason)


def refusal(name: str, text: str, reason: str = "") -> str:
    """The line about a field whose text is not accepted."""
    field = Settings.model_fields[name]
    value = repr(text[:100]) if field.repr else "(its value is not shown)"
    own = f" ({reason})" if reason else ""
    return f"{variable(name)}={value} is not accepted{own}: it takes {accepted(field)}"


def default(field: FieldInfo) -> str:
    """The default of a field, in Markdown."""
    words = next((item.default for item in field.metadata if isinstance(item, Words) and item.default), None)
    if words:
        return words
    value = field.default
    return f"`{value.human_readable().replace('.0', '') if isinstance(value, ByteSize) else value}`"


def accepted(field: FieldInfo) -> str:
    """What a field takes, in words."""
    words = next((item.accepted for item in field.metadata if isinstance(item, Words) and item.accepted), None)
    if words:
        return words
    if field.annotation is bool:
        return "true or false"
    if field.annotation in (int, float):
        kind = "a whole number" if field.annotation is int else "a number"
        return " ".join((kind, *_bounds(field)))
    return " or ".join(field.annotation.__args__) if field.annotation else "text"


def _bounds(field: FieldInfo) -> Iterator[str]:
    for item in field.metadata:
        match item:
            case annotated_types.Ge(ge=bound):
                yield f"from {bound:,}"
            case annotated_types.Gt(gt=bound):
                yield f"above {bound:,}"
            case annotated_types.Le(le=bound):
                yield f"up to {bound:,}"
