"""Makes what Andon needs in a Tryton 8.2 database: a quality control, a project, a user and its REST key.

    python prepare.py -c trytond.conf -d erp --key-file erp-token
    python prepare.py -c trytond.conf -d erp --key-file erp-token --demo     with a company and machines to try it on

Run it on Tryton's own machine, by the Python that Tryton runs under, after the module `andon` is activated. Again and
again without harm; what is there already stays as it is. GPL-3.0-or-later, since it runs inside Tryton.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

from proteus import Model, Wizard, config

CONTROL, POINT, PROJECT, LOGIN = "Andon", "within_limits", "Maintenance", "andon"
# What the user may do: inspections and alerts, tasks, lots. Tryton refuses everything else it is asked for.
GROUPS = ("Quality", "Project Administration", "Stock", "Production")
MACHINES = ("LATHE-07", "FILLER-2", "ROOM-1")
LOTS = ("LOT-A", "LOT-B")


def found(model: str, *domain: tuple[str, str, object]):
    """The first record that fits, None where there is none."""
    records = Model.get(model).find(list(domain), limit=1)
    return records[0] if records else None


def made(model: str, **values: object):
    """A new record, saved."""
    record = Model.get(model)()
    for name, value in values.items():
        setattr(record, name, value)
    record.save()
    return record


def demo_company(session) -> None:
    """A company, machines and lots of a product."""
    if not Model.get("company.company").find():
        yuan = found("currency.currency", ("code", "=", "CNY")) or made(
            "currency.currency", name="Yuan", code="CNY", numeric_code="156", symbol="¥", rounding=Decimal("0.01"),
            digits=2,
        )  # fmt: skip
        made("currency.currency.rate", currency=yuan, rate=Decimal(1), date=date(2020, 1, 1))
        wizard = Wizard("company.company.config")
        wizard.execute("company")
        wizard.form.party = made("party.party", name="Demo Medical Devices")
        wizard.form.currency = yuan
        wizard.form.timezone = "Asia/Shanghai"
        wizard.execute("add")
    session._context = Model.get("res.user").get_preferences(True, {})  # noqa: SLF001 - proteus offers no other way
    company = Model.get("company.company").find(limit=1)[0]
    warehouse = found("stock.location", ("code", "=", "WH"))
    for name in MACHINES:
        if found("production.work.center", ("name", "=", name)) is None:
            made("production.work.center", name=name, company=company, warehouse=warehouse)
    if found("product.template", ("code", "=", "IOL-23")) is None:
        unit = found("product.uom", ("name", "=", "Unit"))
        lens = made("product.template", name="Intraocular lens 23 D", code="IOL-23", type="goods", default_uom=unit)
        for number in LOTS:
            made("stock.lot", number=number, product=lens.products[0])


def prepare(company) -> dict[str, object]:
    """Control, project and user; returns their names and the REST key."""
    if found("quality.control", ("name", "=", CONTROL)) is None:
        # frequency 0: never chosen by itself; the one point is told false, so processing fails it and opens the alert
        control = Model.get("quality.control")(name=CONTROL, company=company, frequency=0.0)
        point = control.points.new()
        point.name, point.string, point.type_ = POINT, "Within limits", "boolean"
        control.save()
    if found("project.work", ("name", "=", PROJECT), ("type", "=", "project")) is None:
        made("project.work", name=PROJECT, type="project", company=company)
    user = found("res.user", ("login", "=", LOGIN))
    if user is None:
        user = Model.get("res.user")(name="Andon", login=LOGIN, password=secrets.token_urlsafe(24))
        user.companies.append(Model.get("company.company")(company.id))
        user.company = Model.get("company.company")(company.id)
        for name in GROUPS:
            user.groups.append(Model.get("res.group")(found("res.group", ("name", "=", name)).id))
        user.save()
    application = found("res.user.application", ("user", "=", user.id), ("application", "=", "rest"))
    if application is None:
        application = made("res.user.application", user=user, application="rest", state="validated")
    return {"company": company.id, "control": CONTROL, "project": PROJECT, "key": application.key}


def main() -> None:
    """Prepare one database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-c", "--config", required=True, help="of trytond")
    parser.add_argument("-d", "--database", required=True)
    parser.add_argument("--key-file", type=Path, required=True, help="where the REST key goes, readable by you alone")
    parser.add_argument("--demo", action="store_true", help="with a company, machines and lots")
    given = parser.parse_args()
    session = config.set_trytond(given.database, config_file=given.config)
    if given.demo:
        demo_company(session)
    session._context = Model.get("res.user").get_preferences(True, {})  # noqa: SLF001 - proteus offers no other way
    companies = Model.get("company.company").find(limit=1)
    if not companies:
        parser.error("the database has no company yet; make it in Tryton, or try --demo")
    told = prepare(companies[0])
    with os.fdopen(os.open(given.key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(str(told.pop("key")))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
