"""Every setting of the project, typed, in one place. Values come from the environment.

The table in docs/settings.md is made from this module. Secrets are `SecretStr`, so that they never stand in a log.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.registry import OCR_ENGINES

PREFIX = "INVOICE_PIPELINES_"

_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class SettingsError(InvoicePipelinesError):
    """A setting has a wrong value. The message names the variable and what is wrong with it."""


def _ocr_engine(name: str) -> str:
    return OCR_ENGINES.check(name, "none")


class Settings(BaseSettings):
    """What an operator can set. Each field is read from the variable `INVOICE_PIPELINES_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the environment: that there are no files of settings would take as long to find out again."""
        return init_settings, env_settings

    home: Path = Field(default=Path(".dagster_home"), validation_alias="DAGSTER_HOME")
    """Folder for everything that is kept: Dagster's home, the embedded PostgreSQL and, by default, the inbox, originals
    and export files."""
    database_url: SecretStr | None = None
    """PostgreSQL 18 or newer, as `postgresql://user:password@host:5432/database`. Work is done as the role
    `invoice_pipelines_app`; the login must be that role or be allowed to switch to it. Unset: the embedded server."""
    database_owner_url: SecretStr | None = None
    """A login for `db migrate` that may create roles and schemas. Unset: `DATABASE_URL`."""
    web_database_url: SecretStr | None = None
    """The login of `invoice-pipelines web`: the role `invoice_pipelines_web`, to which an operator gives a password.
    Unset: `DATABASE_URL` with that user."""
    dagster_database_url: SecretStr | None = None
    """Where Dagster keeps runs, events and schedules. Unset: a database on the same server, named like the business
    database plus `_dagster`."""
    database_connect_seconds: float = Field(default=10.0, ge=1, le=600)
    """How many seconds to wait for a connection to PostgreSQL, also while all connections are taken or the server is
    starting."""
    database_lock_timeout_seconds: float = Field(default=30.0, ge=0.1, le=86400)
    """How many seconds work waits for a lock that another transaction holds. After that it names the holder and is put
    off and tried again."""
    database_idle_transaction_seconds: float = Field(default=1800.0, ge=1, le=86400)
    """After how many seconds PostgreSQL ends a session of this program with an idle transaction, such as that of a
    process that hangs. At least as long as `LEASE_SECONDS`."""
    psql_idle_transaction_seconds: float = Field(default=300.0, ge=1, le=86400)
    """The same for sessions of `db psql`, where a transaction that somebody left open holds up work."""
    postgresql_bin: Path | None = None
    """Folder with `initdb` and `postgres` (18 or newer) for the embedded server. Unset: the binaries of the installed
    wheel."""
    inbox: str | None = None
    """Where files arrive, one folder per organization below it: a folder, `s3://bucket/path` or `gs://bucket/path`.
    Unset: `inbox` in the home folder."""
    originals: str | None = None
    """Where uploads are kept unchanged, addressed by sha256 (folder, s3:// or gs://). Unset: `originals` in the home
    folder."""
    exports: str | None = None
    """Where export files are written (folder, s3:// or gs://). Unset: `exports` in the home folder."""
    documents: str | None = None
    """Where the documents of issued invoices are kept, addressed by sha256 (folder, s3:// or gs://). Unset: `documents`
    in the home folder."""
    imports: str | None = None
    """Where files for the job `import_master_data` lie, one folder per organization below it (folder, s3:// or gs://).
    Unset: `imports` in the home folder."""
    inbox_settle_seconds: float = Field(default=3.0, ge=0, le=3600)
    """For how many seconds the size of a file in the inbox must stay the same before the file is taken."""
    inbox_after_intake: Literal["remove", "keep"] = "remove"
    """What happens to an inbox file once its original is stored and recorded: `remove` or `keep`."""
    upload_max_megabytes: int = Field(default=50, ge=1, le=2048)
    """The largest upload that is read, in megabytes."""
    intake_chunk_size: int = Field(default=50, ge=1, le=5000)
    """How many documents the intake takes in one transaction."""
    intake_max_attempts: int = Field(default=6, ge=1, le=100)
    """How often a document is tried that ends in an unexpected fault."""
    ocr_engine: Annotated[str, AfterValidator(_ocr_engine)] = "rapidocr"
    """Which OCR engine reads scanned pages, where an organization does not choose its own: `rapidocr` (embedded),
    `tesseract` (light; needs the extra `tesseract`), `cloud_vision` (Google; pages leave the house and cost money), one
    that another package adds, or `none`. One engine never stands in for another."""
    ocr_processes: int = Field(default=2, ge=1, le=256)
    """How many processes an embedded OCR engine may have on this machine; `rapidocr` needs up to 1.5 GB of memory for
    each."""
    ocr_threads: int = Field(default=1, ge=1, le=64)
    """Threads of each process of an embedded OCR engine."""
    ocr_languages: tuple[str, ...] = ("de", "en")
    """Languages of the documents (ISO 639-1), as a JSON list. They choose the models of `tesseract`; the other engines
    read all Latin scripts."""
    vision_endpoint: str | None = None
    """Host of Google Cloud Vision, such as `eu-vision.googleapis.com`; `insecure://host:port` for a local server
    without encryption. Unset: Google's default."""
    vision_parent: str | None = None
    """Where Google Cloud Vision works and bills, as `projects/PROJECT/locations/eu`. Unset: the project of the
    credentials, in any location."""
    vision_language_hints: tuple[str, ...] = ()
    """Languages of all documents (ISO 639-1), as a JSON list of hints for Google Cloud Vision. It detects languages
    itself and reads worse with a wrong hint: best left empty for Latin letters."""
    vision_requests_per_minute: int = Field(default=600, ge=1, le=100_000)
    """At most so many pages are sent to Google Cloud Vision in a minute."""
    vision_usd_per_1000_pages: Decimal = Field(default=Decimal("1.50"), ge=0)
    """Price of 1,000 pages in US dollars, for the record of costs."""
    lease_seconds: int = Field(default=300, ge=5, le=86400)
    """After how many seconds another process takes over the work of a dead one."""
    run_time_box_seconds: int = Field(default=1800, ge=10, le=86400)
    """After how many seconds a run ends and leaves the rest to the next run."""
    rest_after_failure_seconds: float = Field(default=30.0, ge=0, le=3600)
    """How many seconds an organization rests after a failed run; twice as long after each further failure, up to twenty
    times as long."""
    hold_after_terminate_minutes: int = Field(default=60, ge=0, le=10_080)
    """For how many minutes the sensors leave an organization alone after a person terminated its run, unless somebody
    starts one before. 0: not at all."""
    sweep_threshold: int = Field(default=20, ge=1, le=10000)
    """When more organizations than this are due, one sweep run takes them instead of one run for each."""
    sweep_size: int = Field(default=200, ge=1, le=10000)
    """At most so many organizations are in one sweep run."""
    sweeps_at_once: int = Field(default=2, ge=1, le=1000)
    """So many sweep runs of a kind are asked for at the same time, each over other organizations: as many as
    `dagster.yaml` lets work in the lane `bulk`, or one more."""
    keep_runs_days: int = Field(default=90, ge=1, le=36500)
    """For how many days to keep Dagster's records of ended runs and, for at least 30 days, the ended items of batch
    jobs and the log of overdue runs. Batch jobs, who asked for them, invoices, their audit trail, originals and exports
    are never removed."""
    keep_notifications_days: int = Field(default=3650, ge=2192, le=36500)
    """For how many days to keep notifications of overdue invoices after they were closed: at least six years, as German
    law asks for letters that were sent. If a payment is taken back after that, the customer is told again."""
    keep_events_days: int = Field(default=30, ge=7, le=3650)
    """For how many days to keep events, from which programs read what changed, and what webhooks told of them."""
    # Those of the schedule are text, which is never wrong: `overdue.read_schedule` tells what they mean, so that a
    # wrong value stops this schedule and nothing else.
    scheduler_schedule_type: str = Field(default="cron", validation_alias="SCHEDULER_SCHEDULE_TYPE")
    """When to look for overdue invoices: by `cron` or by `interval`. A wrong value of a `SCHEDULER_` variable stops
    only this schedule, which says why in its ticks, as does `status`. The variables are read when the services start.
    """
    scheduler_schedule_value: str = Field(default="0 0 * * *", validation_alias="SCHEDULER_SCHEDULE_VALUE")
    """A cron expression of five fields; for `interval`, the whole hours from one run to the next."""
    scheduler_timezone: str = Field(default="UTC", validation_alias="SCHEDULER_TIMEZONE")
    """Time zone of the cron expression, an IANA name. Whether an invoice is overdue depends on the organization's own
    day, not on this."""
    scheduler_batch_size: str = Field(default="100", validation_alias="SCHEDULER_BATCH_SIZE")
    """How many notifications to make or close in one transaction."""
    quickbooks_client_id: str | None = None
    """Client id of the app at developer.intuit.com that connects organizations with QuickBooks Online."""
    quickbooks_client_secret: SecretStr | None = None
    """Client secret of that app."""
    quickbooks_redirect_uri: str | None = None
    """Where QuickBooks sends a person back to after connecting, exactly as entered for the app:
    `/api/v1/quickbooks/callback` of the web, which finishes what was begun there. For production keys Intuit takes
    `https://` with a host name only; without the web nothing needs to answer there, as the person pastes the address
    into `quickbooks callback`. For development keys it may be `http://localhost:PORT/...`, where `quickbooks connect`
    listens."""
    quickbooks_api_url: str = "https://quickbooks.api.intuit.com"
    """Address of the API of QuickBooks Online; Intuit's test companies are at
    `https://sandbox-quickbooks.api.intuit.com`."""
    quickbooks_authorization_url: str = "https://appcenter.intuit.com/connect/oauth2"
    """Page on which a person allows the connection."""
    quickbooks_token_url: str = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"  # noqa: S105
    """Where to get and refresh access tokens of QuickBooks."""
    quickbooks_revoke_url: str = "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"
    """Where `quickbooks disconnect` revokes the tokens."""
    encryption_keys: SecretStr | None = None
    """Keys that encrypt the tokens of outside services and the secrets of webhooks (Fernet: 32 bytes as URL-safe
    base64), separated by commas: the first encrypts, all decrypt. Unset: `encryption.key` in the home folder, made at
    first use, or by `up` where `DATABASE_URL` is set; if it is lost, all connections must be made again. All machines
    need the same."""
    quickbooks_requests_per_minute: int = Field(default=500, ge=1, le=100_000)
    """At most so many calls to one company of QuickBooks in a minute."""
    quickbooks_requests_per_second: int = Field(default=10, ge=1, le=1000)
    """At most so many calls to one company of QuickBooks in a second."""
    quickbooks_batches_per_minute: int = Field(default=40, ge=1, le=10_000)
    """At most so many batch calls to one company of QuickBooks in a minute."""
    quickbooks_batch_size: int = Field(default=30, ge=1, le=30)
    """At most so many records in one batch call to QuickBooks."""
    quickbooks_parallel_calls: int = Field(default=4, ge=1, le=10)
    """How many calls to QuickBooks a run has under way at the same time."""
    quickbooks_timeout_seconds: float = Field(default=130.0, gt=0, le=600)
    """How many seconds to wait for an answer of QuickBooks, which itself gives up after 120."""
    quickbooks_push_seconds: int = Field(default=60, ge=60, le=300)
    """How often, in seconds, to look for changes that QuickBooks has to learn of."""
    quickbooks_payments_at: str = Field(default="02:00", pattern=_TIME_OF_DAY)
    """When to pull payments from QuickBooks, in the time zone of each organization."""
    quickbooks_customers_at: str = Field(default="03:00", pattern=_TIME_OF_DAY)
    """When to pull customers from QuickBooks, likewise."""
    quickbooks_items_at: str = Field(default="04:00", pattern=_TIME_OF_DAY)
    """When to pull items from QuickBooks, likewise."""
    document_processes: int = Field(default=2, ge=1, le=256)
    """In how many processes a run makes documents of issued invoices."""
    smtp_host: str | None = None
    """Mail server that sends the emails. Unset: emails wait."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """Port of the mail server."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`, `tls` (from the first byte, mostly port 465) or `none`: unencrypted, only for a server on this
    machine (127.0.0.1, ::1, localhost); any other is refused at the start."""
    smtp_user: str | None = None
    """Login at the mail server. Unset: without login."""
    smtp_password: SecretStr | None = None
    """Password of that login."""
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """How many seconds to wait for an answer of the mail server."""
    email_from: str | None = None
    """Sender of the emails of organizations that have no address of their own."""
    email_archive_to: str | None = None
    """Address that gets a blind copy of each email. With the `IMAP_` variables, its mailbox tells whether an email went
    out when the answer of the mail server was lost."""
    email_bounces_to: str | None = None
    """Address to which reports of undeliverable emails return (the sender of the envelope); they arrive in
    `IMAP_BOUNCES_MAILBOX`. Unset: the sender of each email."""
    imap_host: str | None = None
    """Server of the mailbox with the blind copies (or with what the mail server keeps as sent) and with returned mail.
    Unset: a person decides whether an email went out when the answer was lost."""
    imap_port: int = Field(default=993, ge=1, le=65535)
    """Port of that server."""
    imap_security: Literal["starttls", "tls", "none"] = "tls"
    """As `SMTP_SECURITY`."""
    imap_user: str | None = None
    """Login at that server."""
    imap_password: SecretStr | None = None
    """Password of that login."""
    imap_mailbox: str = "INBOX"
    """Folder with the blind copies, or with the sent mail."""
    imap_bounces_mailbox: str | None = None
    """Folder in which reports of undeliverable emails arrive. Unset: nobody reads them."""
    twilio_account_sid: str | None = None
    """Account at Twilio. Unset: SMS and WhatsApp wait."""
    twilio_auth_token: SecretStr | None = None
    """Its auth token."""
    twilio_url: str = "https://api.twilio.com"
    """Address of the API of Twilio."""
    twilio_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """How many seconds to wait for an answer of Twilio."""
    look_up_after_seconds: float = Field(default=60.0, ge=0, le=86400)
    """How many seconds after an attempt whose answer was lost to ask the provider about the message. If the provider
    does not know it by then, it is sent again."""
    message_senders: int = Field(default=4, ge=1, le=12)
    """Most messages that a run sends at the same time."""
    message_attempts: int = Field(default=8, ge=1, le=100)
    """After how many attempts a passing fault counts as final."""
    webhook_timeout_seconds: float = Field(default=15.0, gt=0, le=60)
    """How many seconds an endpoint of a webhook may take to answer."""
    webhook_senders: int = Field(default=4, ge=1, le=12)
    """Most webhooks that a run sends at the same time."""
    webhook_local_addresses: bool = False
    """Whether webhooks may go to this machine (then also by `http://`) and into private networks. Admins of the
    organizations could look around in your network by it."""
    redirect_email: str | None = None
    """Test mode: all emails of all organizations go to this address instead."""
    redirect_phone: str | None = None
    """Test mode: all SMS and WhatsApp messages go to this number instead."""
    rules_dir: Path | None = None
    """Folder with the official validation rules (EN 16931 and XRechnung releases, unpacked). Unset: the rules of the
    installed libraries."""
    broker_url: SecretStr | None = None
    """Redis through which runs reach warm workers (extra `celery`), such as `redis://:password@queue.example.com:6379/0`.
    Unset: `up --workers` starts one for itself, and without workers each run is a process of its own."""
    dagster_url: str | None = None
    """Address at which this machine reaches Dagster's webserver, so that an upload begins a run at once. Unset: that of
    an `up` with the same home; where there is none, the sensor asks for the run within seconds."""
    webserver_host: str = "127.0.0.1"
    """Address on which `up` serves the Dagster UI."""
    webserver_port: int = Field(default=3000, ge=1, le=65535)
    """Port on which `up` serves the Dagster UI."""
    web_host: str = "127.0.0.1"
    """Address on which the API is served. It speaks plain HTTP: before it on another address than this machine's there
    must be a proxy that does TLS."""
    web_port: int = Field(default=8000, ge=1, le=65535)
    """Port on which the API is served."""
    web_health_port: int = Field(default=8001, ge=1, le=65535)
    """Port on which `/health/live`, `/health/ready` and `/metrics` are served, without account."""
    web_health_host: str = "127.0.0.1"
    """Address on which they are served: another one than this machine's where those who watch are elsewhere, and the
    network keeps strangers out."""
    web_connections: int = Field(default=15, ge=1, le=200)
    """How many requests the API works on at the same time, each with a connection to PostgreSQL; others wait."""
    web_lock_timeout_seconds: float = Field(default=10.0, ge=0.1, le=86400)
    """How many seconds a request waits for a lock that another transaction holds, such as that of a batch job. After
    that it is answered by 503 with `Retry-After`."""
    web_requests_per_minute: int = Field(default=1200, ge=0, le=1_000_000)
    """Most requests of one session or token in a minute. 0: no limit."""
    web_address_requests_per_minute: int = Field(default=6000, ge=0, le=1_000_000)
    """Most requests from one address (with IPv6, a network of 64 bits) in a minute, good credentials or bad ones. 0: no
    limit."""
    web_trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of proxies, as a JSON list, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    web_allowed_origins: tuple[str, ...] = ()
    """Sites whose pages may call the API with a token, as a JSON list of origins such as `https://shop.example.com`
    (CORS). Empty: none."""
    oidc_issuer: str | None = None
    """Address of an OpenID Connect provider with which people may sign in, as it calls itself, such as
    `https://id.example.com/realms/acme`. Needs the extra `oidc`. Unset: with passwords only."""
    oidc_client_id: str | None = Field(default=None, validate_default=True)
    """Client id of the web there. Its redirect address is `WEB_URL` with `/api/v1/oidc/callback`."""
    oidc_client_secret: SecretStr | None = None
    """Client secret. Unset: a public client (PKCE is always used)."""
    oidc_create_users: bool = False
    """Whether somebody whom nobody invited gets an account by signing in there with a verified address. It belongs to
    no organization until somebody invites it."""
    log_format: Literal["plain", "json"] = "plain"
    """How web, workers, Dagster's processes and runs write their logs: `plain` lines, or `json`, an object a line."""
    log_megabytes: int = Field(default=10, ge=1, le=10_000)
    """A log of a process of `up` is set aside when it has so many megabytes; three old ones are kept."""
    web_url: str = "http://localhost:8000"
    """Address at which people and programs reach `invoice-pipelines web`, for links, such as
    `https://invoices.example.com`."""
    ui_url: str | None = None
    """Address at which people reach the Dagster UI, for links in alerts and on the operator's page, such as
    `https://dagster.example.com`."""
    alert_webhook_url: SecretStr | None = None
    """Address that is told by `POST` what failed, as JSON with a `text` (Slack, Mattermost and others take it so).
    Unset: none is told."""
    alert_email_to: str | None = None
    """Address that is told by mail what failed, by the mail server `SMTP_HOST` and from `EMAIL_FROM`. Unset: none is
    told."""
    alert_repeat_minutes: int = Field(default=60, ge=0, le=10_080)
    """What fails again within so many minutes is told once. 0: each time."""

    @field_validator("rules_dir", "postgresql_bin")
    @classmethod
    def _folder_exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(f"{value} is not a folder")
        return value

    @field_validator("smtp_security", "imap_security")
    @classmethod
    def _is_encrypted_on_the_way(cls, value: str, info: ValidationInfo) -> str:
        host = info.data.get(f"{str(info.field_name).partition('_')[0]}_host")
        if value == "none" and host is not None and not is_this_machine(host):
            raise ValueError(
                f"login and invoices would go to {host} unencrypted, which is for this machine only (127.0.0.1, ::1, "
                "localhost): use starttls or tls"
            )
        return value

    @field_validator("quickbooks_redirect_uri")
    @classmethod
    def _is_taken_by_intuit(cls, value: str | None) -> str | None:
        if value is None or is_local_url(value):
            return value
        address = urlsplit(value)
        host = address.hostname or ""
        if address.scheme != "https" or "." not in host or address.fragment or _is_ip_address(host):
            raise ValueError(
                "Intuit takes https:// with a host name and no IP address (for production keys), or "
                "http://localhost:PORT/... (for development keys)"
            )
        return value

    @field_validator(
        "quickbooks_api_url", "quickbooks_authorization_url", "quickbooks_token_url", "quickbooks_revoke_url"
    )
    @classmethod
    def _is_https_or_local(cls, value: str) -> str:
        if urlsplit(value).scheme == "https" and urlsplit(value).hostname:
            return value
        if not is_local_url(value):
            raise ValueError(
                "tokens and invoices would travel unencrypted: use https://; http:// is for this machine only "
                "(127.0.0.1, ::1, localhost)"
            )
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer_is_https_or_local(cls, value: str | None) -> str | None:
        return None if value is None else cls._is_https_or_local(value)

    @field_validator("oidc_client_id")
    @classmethod
    def _client_is_there(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("oidc_issuer") is not None:
            raise ValueError("needed with OIDC_ISSUER")
        return value

    @field_validator("alert_webhook_url")
    @classmethod
    def _webhook_is_https_or_local(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            cls._is_https_or_local(value.get_secret_value())
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _keys_are_whole(cls, value: SecretStr | None) -> SecretStr | None:
        for key in value.get_secret_value().split(",") if value is not None else []:
            try:
                whole = len(base64.b64decode(key.strip(), altchars=b"-_", validate=True)) == 32
            except ValueError:
                whole = False
            if not whole:
                raise ValueError("each key must be 32 bytes as URL-safe base64, with commas between keys")
        return value

    @property
    def dagster_url_file(self) -> Path:
        """Where `up` says for others on this machine at which address its webserver is."""
        return self.home.absolute() / "dagster_url"

    @property
    def inbox_root(self) -> str:
        """The inbox, as a folder or URL."""
        return self.inbox or str(self.home.absolute() / "inbox")

    @property
    def originals_root(self) -> str:
        """The store of originals, as a folder or URL."""
        return self.originals or str(self.home.absolute() / "originals")

    @property
    def documents_root(self) -> str:
        """The store of documents of issued invoices, as a folder or URL."""
        return self.documents or str(self.home.absolute() / "documents")

    @property
    def imports_root(self) -> str:
        """Where files to be imported lie, as a folder or URL."""
        return self.imports or str(self.home.absolute() / "imports")

    @property
    def exports_root(self) -> str:
        """Where exports go, as a folder or URL."""
        return self.exports or str(self.home.absolute() / "exports")


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its name alone: a name that merely leads here today may lead elsewhere."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761


def is_local_url(url: str) -> bool:
    """Whether this is an `http://` address of this machine, which needs no encryption on the way."""
    address = urlsplit(url)
    return address.scheme == "http" and address.hostname is not None and is_this_machine(address.hostname)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def variable_of(field: str) -> str:
    """Name of the environment variable of a settings field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Reads the environment once per process.

    Raises SettingsError that names each wrong variable; the values of secrets are not repeated.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else "settings"
            variable = variable_of(name) if name in Settings.model_fields else name.upper()
            if not variable.isupper() or (variable != "DAGSTER_HOME" and not variable.startswith(PREFIX)):
                variable = PREFIX + name.upper()
            secret = any(word in name.lower() for word in ("url", "secret", "keys", "password", "token"))
            given = "" if secret else f" (given: {item.get('input')!r})"
            problems.append(f"{variable}: {item['msg']}{given}")
        raise SettingsError("; ".join(problems)) from None
