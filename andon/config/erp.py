"""[erp]: the system that gets quality events and maintenance orders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import AssetPath, Section
from andon.config.erp_back import ErpBack, Reports

FieldValue = str | int | float | bool


class Tryton(Section):
    """[erp.tryton]: a Tryton server with the module of deploy/tryton."""

    database: str = Field(description="Name of the database.")
    company: int = Field(1, ge=1, description="Id of the company the records belong to.")
    control: str = Field(
        "Andon", description="Quality control of the inspections; each of its points is told as missed."
    )
    project: str = Field("Maintenance", description="Project whose tasks are the maintenance orders.")


class Erpnext(Section):
    """[erp.erpnext]: an ERPNext site with two Custom Fields on each document type that is used."""

    key_field: str = Field("custom_andon_key", description="Custom Field of type Data, length 20, unique.")
    revision_field: str = Field("custom_andon_revision", description="Custom Field of type Int.")


class Odoo(Section):
    """[erp.odoo]: an Odoo database (19 or later) with two fields on each model that is used."""

    database: str | None = Field(None, description="Name of the database, where the address serves several.")
    key_field: str = Field("x_andon_key", description="Field of type char.")
    revision_field: str = Field("x_andon_revision", description="Field of type integer.")


class Sap(Section):
    """[erp.sap]: S/4HANA's OData V2 services. `user`, or `token_url` and `client_id`, say how to log in."""

    user: str | None = Field(None, description="Log in as this user; the secret is the password.")
    token_url: str | None = Field(None, description="OAuth 2.0 client credentials from here; https except on loopback.")
    client_id: str | None = Field(None, description="For token_url; the secret is the client's.")
    client: str | None = Field(None, pattern=r"^[0-9]{3}$", description="The SAP client (sap-client), 3 digits.")
    defect_key_field: str | None = Field(
        None, description="Field added to defects (YY1_...) that holds the key; without one it stands in the text."
    )


class Erp(Section):
    """[erp]: the system that gets quality events and maintenance orders."""

    kind: Literal["webhook", "tryton", "erpnext", "odoo", "sap"] = Field(
        "webhook",
        description="webhook: CloudEvents, signed after Standard Webhooks. The others are spoken to directly.",
    )
    url: str = Field(description="Base address; https except on loopback.")
    secret_file: str | None = Field(
        None,
        description="File with the secret, or ANDON_ERP_SECRET: whsec_... (webhook), key (tryton, odoo), "
        "key:secret (erpnext), password or client secret (sap).",
    )
    timeout_s: float = Field(15.0, gt=0, description="For one answer, s.")
    timezone: str = Field("UTC", description="IANA zone in which the ERP takes times that carry none.")
    models: dict[str, str] = Field(
        default_factory=dict, description="Kind of order -> document type, model or entity that is not the usual one."
    )
    map: dict[str, dict[str, FieldValue]] = Field(
        default_factory=dict, description="Kind of order -> field -> value or template; added to the usual ones."
    )
    equipment: dict[AssetPath, str | int] = Field(
        default_factory=dict, description="Asset -> its name or number in the ERP; {equipment} in a template."
    )
    priorities: dict[Literal["critical", "high", "medium", "low"], str] = Field(
        default_factory=dict, description="Priority -> the ERP's code, where not the usual; {priority_code}."
    )
    back: ErpBack = Field(ErpBack(), description="What the ERP says of its records.")
    reports: Reports = Field(Reports(), description="Figures told to the ERP.")
    tryton: Tryton | None = Field(None, description="With kind = tryton.")
    erpnext: Erpnext | None = Field(None, description="With kind = erpnext, where its names differ.")
    odoo: Odoo | None = Field(None, description="With kind = odoo, where its names differ.")
    sap: Sap | None = Field(None, description="With kind = sap.")
