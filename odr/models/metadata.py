"""All tables of the service in one metadata, for migrations and for nothing else."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from evidence import models as evidence_models
from odr.models import arbitration, cases, dialogue, findings, keeping, money, people, trade

TABLES = (evidence_models, arbitration, cases, dialogue, findings, keeping, money, people, trade)
"""The modules that declare tables; importing them fills the metadata."""


def metadata() -> MetaData:
    """Everything that the migrations have to make."""
    return SQLModel.metadata
