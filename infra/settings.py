"""Everything that can be set, read once from the environment and checked as a whole.

The only module that reads the environment. Every setting is a field of `Settings`, `mode` is
CONCORD_MODE, and so on; the table in infra/README.md is generated from here. Without any setting
the service is a demonstration on embedded parts. In production nothing embedded, insecure or
left at its default passes.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from evidence import note
from evidence.errors import Malformed
from evidence.store import Protection
from evidence.testimony import ADD_CHECKPOINT, Known
from odr import money

PREFIX = "CONCORD_"
PREFIX_OF_TESTS = "CONCORD_TEST_"  # addresses of servers that the test bench may use

DEMO_PASSPHRASE = "demonstration only"  # noqa: S105 - refused in production
DEMO_ORIGIN = "demo.invalid"
PASSPHRASE_LENGTH_MIN = 16
BEGIN = "<!-- generated: settings -->\n"
END = "<!-- end: settings -->\n"
README = Path(__file__).parent / "README.md"
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})


class SettingsError(ValueError):
    """The environment holds something that is no setting, or that cannot be; names, no values."""


class Mode(StrEnum):
    """DEMO: time can be moved and anyone signs in; DEVELOPMENT: neither; PRODUCTION: checked."""

    DEMO = "demo"
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Rail(StrEnum):
    """How money leaves: MANUAL: the operator confirms; FAKE: a server that plays a bank."""

    MANUAL = "manual"
    FAKE = "fake"


def _url_of(*schemes: str) -> AfterValidator:
    def check(value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and urlsplit(text).scheme not in schemes:
            message = f"must be a URL of {' or '.join(schemes)}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _amounts(value: Any) -> Any:
    """Read ``EUR=100000,JPY=15000000``: whole minor units by currency (ISO 4217)."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",")]
    amounts = {currency.strip(): amount for currency, _, amount in pairs}
    if len(amounts) != len(pairs) or not all(
        currency in money.EXPONENTS and amount.isascii() and amount.isdigit()
        for currency, amount in amounts.items()
    ):
        raise ValueError("must be like EUR=100000,JPY=15000000, each currency once")
    return {currency: int(amount) for currency, amount in amounts.items()}


def _witnesses(value: Any) -> Any:
    """Read ``URL VKEY [VKEY], URL VKEY``: where a witness is, and by which keys it cosigns."""
    if not isinstance(value, str):
        return value
    found = []
    for one in value.split(","):
        url, *keys = one.split() or [""]
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("must be like https://witness.example/w name+id+key, …")
        try:
            read = tuple(note.read_verifier_key(key) for key in keys)
            found.append(Known(url.removesuffix(ADD_CHECKPOINT).rstrip("/"), read))
        except Malformed as error:
            raise ValueError(f"a witness's key: {error}") from None
    if len({one.name for one in found}) != len(found):
        raise ValueError("names a witness twice")
    return tuple(found)


def _urls(value: Any) -> Any:
    """Read ``URL, URL``."""
    if not isinstance(value, str):
        return value
    found = tuple(one.strip() for one in value.split(","))
    if len(set(found)) != len(found) or not all(
        urlsplit(one).scheme in ("http", "https") for one in found
    ):
        raise ValueError("must be URLs of http or https with commas between, each once")
    return found


def _networks(value: Any) -> Any:
    """Read ``10.0.0.0/8, 192.0.2.7, ::1``: addresses and networks."""
    if not isinstance(value, str):
        return value
    found = tuple(one.strip() for one in value.split(","))
    for one in found:
        ip_network(one)  # ValueError says what is wrong with it
    return found


def _reachable(value: str) -> str:
    parts = urlsplit(value)
    if not (parts.path.strip("/") if parts.scheme == "unix" else parts.hostname) or (
        parts.scheme == "unix" and not parts.path.startswith("/")
    ):
        raise ValueError("must be unix:///path or tcp://host:port")
    return value


def _no_slash(value: str) -> str:
    return value.rstrip("/")


def _lacking(value: Any) -> Any:
    """Read ``object-lock, write-once``."""
    if not isinstance(value, str):
        return value
    return tuple(Protection(one.strip()) for one in value.split(","))


Lacking = Annotated[tuple[Protection, ...], BeforeValidator(_lacking)]
DatabaseUrl = Annotated[SecretStr, _url_of("postgresql")]
RedisUrl = Annotated[SecretStr, _url_of("redis", "rediss", "unix")]
MailUrl = Annotated[SecretStr, _url_of("smtp", "smtps")]
ClamdUrl = Annotated[str, _url_of("unix", "tcp"), AfterValidator(_reachable)]
Approvals = Annotated[dict[str, int], BeforeValidator(_amounts)]
Witnesses = Annotated[tuple[Known, ...], BeforeValidator(_witnesses)]
Urls = Annotated[tuple[str, ...], BeforeValidator(_urls)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]
HttpUrl = Annotated[str, _url_of("http", "https"), AfterValidator(_no_slash)]


class Settings(BaseModel):
    """All settings; frozen, and printing it shows no secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    mode: Mode = Field(Mode.DEMO, description="`demo`, `development` or `production`")
    folder: Path = Field(
        Path(".data"),
        description="where the embedded parts live: PostgreSQL, files, keys, mail",
    )
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    base_url: HttpUrl = Field(
        "http://127.0.0.1:8000", description="the service's public address, without a final slash"
    )
    trusted_proxies: Networks = Field(
        ("127.0.0.1", "::1"),
        description="proxies before the service, addresses or networks with commas between: only"
        " theirs is believed when X-Forwarded-For says who asks (limits and sign-in count by that)",
    )

    database_url: DatabaseUrl | None = Field(
        None, description="as `concord_app`, the service; without it the embedded PostgreSQL runs"
    )
    database_reader_url: DatabaseUrl | None = Field(
        None, description="as `concord_reader`, what viewers are shown by; may be a replica"
    )
    database_admin_url: DatabaseUrl | None = Field(
        None, description="as a role that may become `concord_owner`; for `migrate` only"
    )
    database_connections_max: int = Field(
        10, ge=1, le=500, description="connections of each process to each of the two"
    )
    redis_url: RedisUrl | None = Field(
        None, description="wakes the workers; without it each process works by itself"
    )

    store: str | None = Field(
        None, description="files: a folder's path, or `s3://bucket`; without it, in the folder"
    )
    store_without: Lacking = Field(
        (),
        description="what the bucket may lack in production, with commas between: `object-lock`,"
        " `write-once`; what is missing is said at every start",
    )
    s3_endpoint: HttpUrl | None = Field(None, description="an S3 other than Amazon's")
    s3_region: str | None = Field(None, min_length=1, description="the bucket's region")
    s3_access_key: SecretStr | None = Field(None, description="the bucket's access key")
    s3_secret_key: SecretStr | None = Field(None, description="the bucket's secret key")

    origin: str = Field(
        DEMO_ORIGIN,
        pattern=r"^[a-z0-9.-]+(/[a-z0-9._-]+)*$",
        max_length=200,
        description="the record's name for ever; every entry names its log by it and a year",
    )
    key_file: Path | None = Field(
        None, description="the vault's keys, encrypted; without it, in the folder"
    )
    key_passphrase: SecretStr = Field(
        SecretStr(DEMO_PASSPHRASE), description="what opens the key file"
    )
    kms_key: str | None = Field(
        None,
        min_length=1,
        max_length=2048,
        description="wraps files' keys by AWS KMS, or what speaks like it: a key's id, ARN or"
        " `alias/name`; without it the key file wraps",
    )
    kms_endpoint: HttpUrl | None = Field(None, description="a KMS other than Amazon's")
    kms_region: str | None = Field(None, min_length=1, description="the key's region")
    kms_access_key: SecretStr | None = Field(
        None, description="access key for KMS; without it as the machine itself (its role)"
    )
    kms_secret_key: SecretStr | None = Field(None, description="secret key for KMS")
    witnesses: Witnesses = Field(
        (),
        description="who cosigns the log's checkpoints: `https://witness.example name+id+key`, its"
        " further keys behind, the next witness after a comma",
    )
    timestamp_urls: Urls = Field(
        (), description="authorities that stamp checkpoints (RFC 3161), with commas between"
    )
    timestamp_roots: Path | None = Field(
        None, description="the root certificates of those authorities, one PEM file"
    )

    mail_url: MailUrl | None = Field(
        None,
        description="`smtp://user:password@host:port`; without it mail is a file in the folder",
    )
    mail_from: str = Field(
        "Concord <concord@demo.invalid>", pattern=r"@", description="sender of the service's mail"
    )
    rail: Rail = Field(Rail.MANUAL, description="how money leaves: `manual` or `fake`")
    rail_url: HttpUrl | None = Field(None, description="address of the fake rail")
    approvals: Approvals | None = Field(
        None,
        description="payouts above these minor units, and of other currencies, want a second"
        " person: `EUR=100000,JPY=15000000`; without it none does",
    )

    upload_bytes_max: int = Field(
        50 * 2**20, ge=1, le=5 * 2**30, description="size of one file at most"
    )
    clamd_url: ClamdUrl | None = Field(
        None,
        description="`unix:///run/clamav/clamd.ctl` or `tcp://host:port` of ClamAV's daemon;"
        " without it no file is scanned for viruses",
    )
    clamd_bytes_max: int = Field(
        100 * 2**20, ge=1, description="the daemon's `StreamMaxLength`; larger files are flagged"
    )
    c2pa_anchors: Path | None = Field(
        None,
        description="certificates of trusted signers of content credentials, one PEM file; without"
        " it who signed is not checked",
    )
    darkrooms_max: int = Field(
        2, ge=1, le=64, description="processes in which uploaded files are opened, at most"
    )
    inspect_seconds: float = Field(
        10.0,
        ge=0,
        le=300,
        description="how long an upload waits to be inspected; then the worker goes on with it",
    )

    @property
    def is_demo(self) -> bool:
        """Whether time may be moved and sign-in links are handed out."""
        return self.mode is Mode.DEMO

    @property
    def is_embedded(self) -> bool:
        """Whether the service starts a PostgreSQL of its own."""
        return self.database_url is None

    @property
    def postgres_folder(self) -> Path:
        """Where the embedded PostgreSQL keeps its data."""
        return self.folder / "postgres"

    @property
    def store_bucket(self) -> str | None:
        """The bucket, where files go to S3."""
        return self.store.removeprefix("s3://") if self._is_s3 and self.store else None

    @property
    def store_folder(self) -> Path | None:
        """The folder, where files go to one."""
        return None if self._is_s3 else Path(self.store) if self.store else self.folder / "store"

    @property
    def keys(self) -> Path:
        """The vault's key file."""
        return self.key_file or self.folder / "keys.json"

    @property
    def mail_folder(self) -> Path | None:
        """Where mail is written, if it is not sent."""
        return self.folder / "mail" if self.mail_url is None else None

    @property
    def _is_s3(self) -> bool:
        return self.store is not None and self.store.startswith("s3://")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = [*self._contradictions()]
        if self.mode is Mode.PRODUCTION:
            problems += self._not_for_production()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _contradictions(self) -> Iterator[str]:
        if (self.database_url is None) != (self.database_reader_url is None):
            yield f"{_name('database_url')} and {_name('database_reader_url')} go together"
        if self.store is not None and "://" in self.store and not BUCKET.fullmatch(self.store):
            yield f"{_name('store')} is a folder's path or s3://bucket"
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            yield f"{_name('s3_access_key')} and {_name('s3_secret_key')} go together"
        if not self._is_s3 and (self.s3_endpoint or self.s3_access_key or self.s3_region):
            yield f"S3 is described, but {_name('store')} is not s3://bucket"
        if (self.kms_access_key is None) != (self.kms_secret_key is None):
            yield f"{_name('kms_access_key')} and {_name('kms_secret_key')} go together"
        if self.kms_key is None and (self.kms_endpoint or self.kms_access_key or self.kms_region):
            yield f"a KMS is described, but {_name('kms_key')} names no key"
        if bool(self.timestamp_urls) != (self.timestamp_roots is not None):
            yield f"{_name('timestamp_urls')} and {_name('timestamp_roots')} go together"
        if (self.rail is Rail.FAKE) != (self.rail_url is not None):
            yield f"{_name('rail_url')} goes with {_name('rail')}=fake, and only with it"
        if self.base_url.startswith("http://") and urlsplit(self.base_url).hostname not in LOOPBACK:
            yield f"{_name('base_url')} must be https, but for this machine itself"

    def _not_for_production(self) -> Iterator[str]:
        passphrase = self.key_passphrase.get_secret_value()
        wrong = {
            "database_url": self.database_url is None,
            "store": self.store is None or (not self._is_s3 and not Path(self.store).is_absolute()),
            "origin": self.origin == DEMO_ORIGIN,
            "key_file": self.key_file is None or not self.key_file.is_absolute(),
            "key_passphrase": len(passphrase) < PASSPHRASE_LENGTH_MIN
            or passphrase == DEMO_PASSPHRASE,
            "mail_url": self.mail_url is None,
            "mail_from": self.mail_from.endswith(".invalid>"),
            "rail": self.rail is Rail.FAKE,
            "base_url": not self.base_url.startswith("https://"),
            "kms_endpoint": self.kms_endpoint is not None
            and self.kms_endpoint.startswith("http://"),
            "s3_endpoint": self.s3_endpoint is not None and self.s3_endpoint.startswith("http://"),
        }
        for field, is_wrong in wrong.items():
            if is_wrong:
                yield f"in production {_name(field)} must be set, and safely"
        for field in ("database_url", "database_reader_url"):
            url = getattr(self, field)
            user = urlsplit(url.get_secret_value()).username if url is not None else None
            if user == "postgres":
                yield f"in production {_name(field)} must not be the superuser"


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check all settings; raises SettingsError with every problem, and no value.

    An empty variable counts as not set. One that begins with CONCORD_ and is no setting is an
    error: it is a misspelling, and its default would be used in silence.
    """
    found = {
        name.removeprefix(PREFIX): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and not name.startswith(PREFIX_OF_TESTS)
    }
    unknown = sorted(name for name in found if name.lower() not in Settings.model_fields)
    if unknown:
        message = "no such setting: " + ", ".join(PREFIX + name for name in unknown)
        raise SettingsError(message)
    try:
        return Settings(**{name.lower(): value for name, value in found.items() if value})
    except ValidationError as error:
        raise SettingsError("; ".join(_problems(error))) from None


def table() -> str:
    """Return the settings as a Markdown table, for infra/README.md."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for field, info in Settings.model_fields.items():
        rows.append(f"| `{_name(field)}` | {_default(info)} | {info.description} |")
    return "\n".join(rows) + "\n"


def renewed(readme: str) -> str:
    """Return the README with its table made anew; ValueError without both markers."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("the README lacks the markers of the settings")
    return head + begin + table() + end + tail


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        text = problem["msg"].removeprefix("Value error, ")
        yield f"{_name(str(problem['loc'][0]))}: {text}" if problem["loc"] else text


def _name(field: str) -> str:
    return PREFIX + field.upper()


def _default(info: FieldInfo) -> str:
    if info.default is None or info.default == ():
        return ""
    if SecretStr in (info.annotation, *get_args(info.annotation)):
        return "(demo only)"
    return f"`{info.default}`"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{README} is current\n")
