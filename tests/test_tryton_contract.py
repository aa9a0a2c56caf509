"""The contract of every connector, test_erp_contract.py, on a real Tryton behind a proxy that makes the faults."""

from __future__ import annotations

import pytest

from andon.config.erp import Erp
from andon.config.erp import Tryton as Names
from sinks.erp.connectors import connector as configured
from sinks.erp.tryton_rest import TrytonRest
from tests.erp_stubs.worlds import World
from tests.test_erp_contract import (  # noqa: F401 - pytest finds them by their names
    test_a_fault_is_the_error_it_means,
    test_a_kind_without_a_place_and_a_body_of_another_order_are_refused,
    test_a_revision_may_be_the_first_that_is_told,
    test_a_sender_over_a_faulty_erp_leaves_one_record_each,
    test_a_wrong_secret_is_refused_and_not_shown,
    test_an_answer_lost_after_the_commit_is_found,
    test_features_are_what_the_driver_does,
    test_made_found_and_brought_up_to_date,
)
from tests.tryton_world import lossy
from tests.tryton_world import order as one_order

pytestmark = pytest.mark.real
KINDS = ("quality_event", "maintenance_order")


@pytest.fixture
def order():
    """As the suite's own, with keys that no other test of the shared server has."""
    made = [one_order(KINDS[number % 2], asset=f"line/m{number % 7}") for number in range(14)]
    return [(one["kind"], one["key"], one["body"]) for one in made].__getitem__


@pytest.fixture
def world(tryton, tmp_path):
    rest = TrytonRest(tryton.url, tryton.token)
    with lossy(tryton) as proxy:
        yield World(
            lambda: make(tmp_path / "right", proxy.url, tryton.token),
            lambda: make(tmp_path / "wrong", proxy.url, "wrong-key"),
            lambda key: stored(rest, key), lambda *names: proxy.faults.extend(names),
            lambda key: finish(rest, key),
        )  # fmt: skip
    rest.close()


def make(file, url, token):
    """By the configuration, as the sender does it."""
    file.write_text(token)
    file.chmod(0o600)
    base, _, database = url.rpartition("/")
    erp = Erp(kind="tryton", url=base, secret_file=file.name, timeout_s=10.0, tryton=Names(database=database))
    return configured(erp, file.parent)


def stored(rest, key):
    fields = {"quality.alert": ("title", "description"), "project.work": ("name", "comment")}
    rows = [
        row
        for model, texts in fields.items()
        for row in rest.search(model, [["external_key", "=", key]], [*texts, "external_revision"])
    ]
    return [row | {"revision": row["external_revision"]} for row in rows]


def finish(rest, key):
    """A person closes the task."""
    task = rest.search("project.work", [["external_key", "=", key]], ["name"])[0]["id"]
    done = rest.search("project.work.status", [["progress", "=", 1.0]], ["name"])[0]["id"]
    rest.write("project.work", task, {"status": done, "progress": 1.0}, ["name"])
