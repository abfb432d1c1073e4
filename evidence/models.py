"""The vault's tables: columns and constraints. What they mean stands in entry, receipt, blob.

vault_entries, vault_receipts and vault_streams only grow; evidence/models.sql holds the
triggers and grants that say so to the database.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class BlobState(StrEnum):
    """STORED: in quarantine; ACCEPTED: kept and retained; REFUSED: key destroyed, to be removed."""

    STORED = "stored"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class VaultStream(SQLModel, table=True):
    """A chain of entries: how many there are, and the leaf hash of the last one."""

    __tablename__: ClassVar[Any] = "vault_streams"
    __table_args__ = (
        CheckConstraint("size >= 0", name="vault_streams_size"),
        CheckConstraint("octet_length(head) = 32", name="vault_streams_head"),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    head: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class VaultEntry(SQLModel, table=True):
    """An entry's bytes, and beside them the private body and salt that they commit to.

    `time` is when the act was done, as the entry says; `recorded` when it was written down, which
    is later where a clock ran while no worker was there.
    """

    __tablename__: ClassVar[Any] = "vault_entries"
    __table_args__ = (
        CheckConstraint("seq >= 0", name="vault_entries_seq"),
        CheckConstraint("octet_length(prev) = 32", name="vault_entries_prev"),
        CheckConstraint("octet_length(leaf) = 32", name="vault_entries_leaf"),
        CheckConstraint("octet_length(entry) BETWEEN 1 AND 65535", name="vault_entries_entry"),
        CheckConstraint("octet_length(salt) = 32", name="vault_entries_salt"),
        # Erasure takes both: a salt alone would let a guess at the body be confirmed.
        CheckConstraint("(salt IS NULL) = (body IS NULL)", name="vault_entries_erased"),
        Index("vault_entries_recorded", "recorded"),
        # By which readers find what tombstones name (evidence/erasure.py).
        Index("vault_entries_tombstones", "stream", postgresql_where="body ? 'erased'"),
        Index("vault_entries_blob", "blob", postgresql_where="blob IS NOT NULL"),
    )

    stream: UUID = Field(sa_column=Column(Uuid, ForeignKey("vault_streams.id"), primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    prev: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    entry: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    time: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    recorded: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    salt: bytes | None = Field(sa_column=Column(LargeBinary))
    body: dict[str, Any] | None = Field(sa_column=Column(JSONB(none_as_null=True)))
    blob: UUID | None = Field(sa_column=Column(Uuid, ForeignKey("vault_blobs.id")))


class VaultReceipt(SQLModel, table=True):
    """The signed note that was given for an entry."""

    __tablename__: ClassVar[Any] = "vault_receipts"
    __table_args__ = (
        ForeignKeyConstraint(["stream", "seq"], ["vault_entries.stream", "vault_entries.seq"]),
        CheckConstraint("octet_length(note) BETWEEN 1 AND 65536", name="vault_receipts_note"),
    )

    stream: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))


class VaultLog(SQLModel, table=True):
    """A log, by its shard's name: how far it is numbered, and how far it is published.

    `assigned` leaves have a place; the tree of the first `size` of them, with this `root`, is on
    the store, and `checkpoint` is the signed note that says so (None before the first). `previous`
    is the log before, which was `sealed` before this one began.
    """

    __tablename__: ClassVar[Any] = "vault_logs"
    __table_args__ = (
        CheckConstraint("0 <= size AND size <= assigned", name="vault_logs_size"),
        CheckConstraint("octet_length(root) = 32", name="vault_logs_root"),
        CheckConstraint("(size = 0) = (checkpoint IS NULL)", name="vault_logs_checkpoint"),
        CheckConstraint("sealed IS NULL OR size = assigned", name="vault_logs_sealed"),
    )

    origin: str = Field(sa_column=Column(Text, primary_key=True))
    previous: str | None = Field(
        sa_column=Column(Text, ForeignKey("vault_logs.origin"), unique=True)
    )
    assigned: int = Field(sa_column=Column(BigInteger, nullable=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    checkpoint: str | None = Field(sa_column=Column(Text))
    published: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    sealed: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class VaultLeaf(SQLModel, table=True):
    """The place of an entry in its log."""

    __tablename__: ClassVar[Any] = "vault_leaves"
    __table_args__ = (
        UniqueConstraint("stream", "seq", name="vault_leaves_entry"),
        ForeignKeyConstraint(["stream", "seq"], ["vault_entries.stream", "vault_entries.seq"]),
        CheckConstraint("index >= 0", name="vault_leaves_index"),
    )

    origin: str = Field(sa_column=Column(Text, ForeignKey("vault_logs.origin"), primary_key=True))
    index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    stream: UUID = Field(sa_column=Column(Uuid, nullable=False))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class VaultUnlogged(SQLModel, table=True):
    """An entry that has no place in its log yet; written with it, gone when it has one."""

    __tablename__: ClassVar[Any] = "vault_unlogged"
    __table_args__ = (Index("vault_unlogged_next", "origin", "recorded", "stream", "seq"),)

    stream: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    origin: str = Field(sa_column=Column(Text, nullable=False))
    recorded: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class VaultCosignature(SQLModel, table=True):
    """What a witness said of a checkpoint: its signature line, and when by its own clock."""

    __tablename__: ClassVar[Any] = "vault_cosignatures"
    __table_args__ = (
        CheckConstraint("size > 0", name="vault_cosignatures_size"),
        CheckConstraint("octet_length(key_id) = 4", name="vault_cosignatures_key_id"),
        CheckConstraint("octet_length(line) BETWEEN 1 AND 8192", name="vault_cosignatures_line"),
    )

    origin: str = Field(sa_column=Column(Text, ForeignKey("vault_logs.origin"), primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    key_id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    line: str = Field(sa_column=Column(Text, nullable=False))
    cosigned: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class VaultTimestamp(SQLModel, table=True):
    """An authority's word on when a checkpoint was there (RFC 3161), the answer's raw DER.

    `number` 0 is over the checkpoint, the next ones over the one before and the checkpoint;
    `expires` is the end of the certificate that signed it.
    """

    __tablename__: ClassVar[Any] = "vault_timestamps"
    __table_args__ = (
        CheckConstraint("size > 0", name="vault_timestamps_size"),
        CheckConstraint("number >= 0", name="vault_timestamps_number"),
        CheckConstraint("octet_length(answer) BETWEEN 1 AND 65536", name="vault_timestamps_answer"),
        CheckConstraint(
            "octet_length(checkpoint) BETWEEN 1 AND 131072", name="vault_timestamps_checkpoint"
        ),
    )

    origin: str = Field(sa_column=Column(Text, ForeignKey("vault_logs.origin"), primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    authority: str = Field(sa_column=Column(Text, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    checkpoint: str = Field(sa_column=Column(Text, nullable=False))
    answer: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    stamped: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class VaultBlob(SQLModel, table=True):
    """A deposited file: what it is, where its ciphertext lies, and its wrapped key.

    `retained_until` is until when it shall be retained, `retained_at` when the store had done so.
    """

    __tablename__: ClassVar[Any] = "vault_blobs"
    __table_args__ = (
        CheckConstraint("octet_length(sha256) = 32", name="vault_blobs_sha256"),
        CheckConstraint("octet_length(sha512) = 64", name="vault_blobs_sha512"),
        CheckConstraint("size > 0", name="vault_blobs_size"),
        CheckConstraint("octet_length(media_type) BETWEEN 3 AND 127", name="vault_blobs_type"),
        CheckConstraint("octet_length(cipher_sha256) = 32", name="vault_blobs_cipher_sha256"),
        CheckConstraint("cipher_size > size", name="vault_blobs_cipher_size"),
        CheckConstraint("octet_length(wrapped_key) BETWEEN 16 AND 1024", name="vault_blobs_key"),
        CheckConstraint(
            "state <> 'accepted' OR retained_until IS NOT NULL", name="vault_blobs_retained"
        ),
        CheckConstraint("state <> 'refused' OR wrapped_key IS NULL", name="vault_blobs_refused"),
        CheckConstraint(
            "retained_at IS NULL OR state = 'accepted'", name="vault_blobs_retained_at"
        ),
        # What is still to be done, and nothing else, so both stay small.
        Index("vault_blobs_unfinished", "created", postgresql_where="state <> 'accepted'"),
        Index(
            "vault_blobs_unretained",
            "created",
            postgresql_where="state = 'accepted' AND retained_at IS NULL",
        ),
        # By which a rotation finds what is under which key.
        Index("vault_blobs_key_id", "key_id", "id", postgresql_where="wrapped_key IS NOT NULL"),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sha512: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    media_type: str = Field(sa_column=Column(Text, nullable=False))
    cipher_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cipher_size: int = Field(sa_column=Column(BigInteger, nullable=False))
    wrapped_key: bytes | None = Field(sa_column=Column(LargeBinary))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    store_key: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    store_version: str = Field(sa_column=Column(Text, nullable=False))
    state: BlobState = Field(
        sa_column=Column(
            Enum(
                BlobState,
                name="vault_blobs_state",
                native_enum=False,
                create_constraint=True,
                values_callable=lambda states: [state.value for state in states],
            ),
            nullable=False,
        )
    )
    retained_until: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    retained_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    created: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class VaultRetiredKey(SQLModel, table=True):
    """A key-encryption key under which no key may be any more (evidence/rewrapping.py)."""

    __tablename__: ClassVar[Any] = "vault_retired_keys"

    id: str = Field(sa_column=Column(Text, primary_key=True))
    retired: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def _quarter(number: int) -> Column[int]:
    """Sixteen bits of a hash, from its lowest on, as the signed number that a smallint is."""
    bits = f"((hash >> {16 * number} & 65535) - 32768)::smallint"
    return Column(SmallInteger, Computed(bits, persisted=True), nullable=False)


class VaultLikeness(SQLModel, table=True):
    """The perceptual hash of a deposited picture, or of a part of a file (evidence/likeness.py).

    `hash` holds its bits in the order of the four quarters; each quarter leads an index from
    which a look-up is answered without the table.
    """

    __tablename__: ClassVar[Any] = "vault_likenesses"
    __table_args__ = (
        CheckConstraint("part >= 0", name="vault_likenesses_part"),
        *(
            Index(
                f"vault_likenesses_quarter_{number}",
                f"quarter_{number}",
                "hash",
                postgresql_include=["blob", "part"],
            )
            for number in range(4)
        ),
    )

    blob: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("vault_blobs.id", ondelete="CASCADE"), primary_key=True)
    )
    part: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    hash: int = Field(sa_column=Column(BigInteger, nullable=False))
    quarter_0: int = Field(sa_column=_quarter(0))
    quarter_1: int = Field(sa_column=_quarter(1))
    quarter_2: int = Field(sa_column=_quarter(2))
    quarter_3: int = Field(sa_column=_quarter(3))


class InspectionState(StrEnum):
    """WAITING: not through yet; PASSED; FLAGGED: through, with warnings; REFUSED: not taken."""

    WAITING = "waiting"
    PASSED = "passed"
    FLAGGED = "flagged"
    REFUSED = "refused"


class VaultInspection(SQLModel, table=True):
    """What was found in a deposited file (evidence/quarantine.py).

    `tries` counts the darkrooms that it cost; while it waits, somebody works on it until
    `leased_until`.
    """

    __tablename__: ClassVar[Any] = "vault_inspections"
    __table_args__ = (
        CheckConstraint("tries >= 0", name="vault_inspections_tries"),
        CheckConstraint(
            "(state = 'waiting') = (leased_until IS NOT NULL)", name="vault_inspections_leased"
        ),
        CheckConstraint("(state = 'waiting') = (ended IS NULL)", name="vault_inspections_ended"),
        Index("vault_inspections_waiting", "leased_until", postgresql_where="state = 'waiting'"),
    )

    blob: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("vault_blobs.id", ondelete="CASCADE"), primary_key=True)
    )
    state: InspectionState = Field(
        sa_column=Column(
            Enum(
                InspectionState,
                name="vault_inspections_state",
                native_enum=False,
                create_constraint=True,
                values_callable=lambda states: [state.value for state in states],
            ),
            nullable=False,
        )
    )
    flags: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    facts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    tries: int = Field(sa_column=Column(Integer, nullable=False))
    leased_until: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    begun: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ended: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class VaultDerivative(SQLModel, table=True):
    """A picture that was made of a deposited file; itself a blob, with its own key and digests.

    `kind` is thumbnail, screen, poster or page-1 …; width and height are pixels.
    """

    __tablename__: ClassVar[Any] = "vault_derivatives"
    __table_args__ = (
        CheckConstraint(
            r"kind ~ '^(thumbnail|screen|poster|page-[1-9]\d?)$'", name="vault_derivatives_kind"
        ),
        CheckConstraint("width > 0 AND height > 0", name="vault_derivatives_sides"),
        CheckConstraint("blob <> derivative", name="vault_derivatives_derivative"),
    )

    blob: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("vault_blobs.id", ondelete="CASCADE"), primary_key=True)
    )
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    derivative: UUID = Field(
        sa_column=Column(
            Uuid, ForeignKey("vault_blobs.id", ondelete="CASCADE"), nullable=False, unique=True
        )
    )
    width: int = Field(sa_column=Column(Integer, nullable=False))
    height: int = Field(sa_column=Column(Integer, nullable=False))
