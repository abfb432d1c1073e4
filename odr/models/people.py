"""Tables: people, organisations, how they sign in, and the roster of neutrals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from odr.models import columns
from odr.models.states import OrganisationKind


class Organisation(SQLModel, table=True):
    """A marketplace, a seller, an insurer or the operator.

    ``marketplace_id`` is the marketplace that let a seller in and calls it by ``reference``; a
    seller without one was let in by the operator and sells on all of them.
    """

    __tablename__ = "organisations"
    __table_args__ = (
        UniqueConstraint("marketplace_id", "reference"),
        CheckConstraint(
            "marketplace_id IS NULL OR (kind = 'seller' AND reference IS NOT NULL)",
            name="admitted",
        ),
    )

    id: UUID = Field(sa_column=columns.key())
    kind: OrganisationKind = Field(sa_column=columns.word(OrganisationKind, "organisation_kind"))
    name: str = Field(sa_column=columns.text(longest=200, name="name"))
    country: str = Field(max_length=2)
    created: datetime = Field(sa_column=columns.instant())
    marketplace_id: UUID | None = Field(default=None, foreign_key="organisations.id")
    reference: str | None = Field(default=None, max_length=100)


class Account(SQLModel, table=True):
    """A person. ``email`` is stored in lower case."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_is_lower"),)

    id: UUID = Field(sa_column=columns.key())
    email: str = Field(unique=True, max_length=254)
    name: str = Field(sa_column=columns.text(longest=200, name="name"))
    language: str = Field(default="en", max_length=8)
    zone: str = Field(default="UTC", max_length=64)
    created: datetime = Field(sa_column=columns.instant())


class Membership(SQLModel, table=True):
    """An account acts for an organisation."""

    __tablename__ = "memberships"

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisations.id", primary_key=True, index=True)
    since: datetime = Field(sa_column=columns.instant())


class Neutral(SQLModel, table=True):
    """An account on the roster of neutrals."""

    __tablename__ = "neutrals"

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    kinds: list[str] = Field(sa_column=columns.words("kinds"))
    languages: list[str] = Field(sa_column=columns.words("languages"))
    expertise: list[str] = Field(sa_column=columns.words("expertise"))
    active: bool = Field(default=True)
    cases_max: int = Field(default=20, ge=0)


class SignInRequest(SQLModel, table=True):
    """Somebody asked for a link to an address, whether or not an account has it.

    The worker makes the link when it sends the mail; ``origin`` is a hash of where the request
    came from. Kept for as long as requests are counted.
    """

    __tablename__ = "sign_in_requests"
    __table_args__ = (
        Index("sign_in_requests_by_email", "email", "at"),
        Index("sign_in_requests_by_origin", "origin", "at"),
    )

    id: UUID = Field(sa_column=columns.key())
    email: str = Field(max_length=254)
    origin: bytes = Field(sa_column=columns.digest())
    at: datetime = Field(sa_column=columns.instant())


class SignInLink(SQLModel, table=True):
    """A link sent by e-mail; only the SHA-256 of its secret is kept; works once."""

    __tablename__ = "sign_in_links"

    digest: bytes = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", index=True)
    expires: datetime = Field(sa_column=columns.instant())
    used: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Session(SQLModel, table=True):
    """A browser that is signed in; only the SHA-256 of its cookie is kept."""

    __tablename__ = "sessions"

    digest: bytes = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", index=True)
    csrf: str = Field(max_length=64)
    created: datetime = Field(sa_column=columns.instant())
    expires: datetime = Field(sa_column=columns.instant())


class Token(SQLModel, table=True):
    """An organisation's API token; only the SHA-256 of its secret is kept."""

    __tablename__ = "tokens"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index("tokens_by_organisation", "organisation_id"),
    )

    id: UUID = Field(sa_column=columns.key())
    digest: bytes
    account_id: UUID = Field(foreign_key="accounts.id")
    organisation_id: UUID | None = Field(default=None, foreign_key="organisations.id")
    name: str = Field(max_length=100)
    scopes: list[str] = Field(sa_column=columns.words("scopes"))
    created: datetime = Field(sa_column=columns.instant())
    expires: datetime = Field(sa_column=columns.instant())
    revoked: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Idempotency(SQLModel, table=True):
    """What a key led to: the hash of its input and the id of its result, never a refusal."""

    __tablename__ = "idempotency"

    actor_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True, max_length=100)
    act: str = Field(max_length=60)
    digest: bytes = Field(sa_column=columns.digest())
    result_id: UUID
    at: datetime = Field(sa_column=columns.instant())
