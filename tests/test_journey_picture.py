"""What the page draws of journeys: the plan's way is the one that the machine measures by."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from andon.config.load import load_plant
from operators.geo import distance_km
from operators.journey_plan import legs_of
from operators.journey_setup import setup_of
from service.web.pictures import corners_of, pictures_json
from tests.test_config import write
from tests.test_journey_config import PLANT

BENT = "corners = [[31.0, 120.0], [31.0, 120.1], [31.001, 120.1], [31.002, 120.1], [31.1, 120.1]]"


def test_the_way_that_is_drawn_is_the_one_of_the_plan(tmp_path):
    text = PLANT.replace("corners = [[31.0, 120.0], [31.0, 120.1], [31.1, 120.1]]", BENT)
    plant = load_plant(write(tmp_path, text))
    (drawn,) = pictures_json(SimpleNamespace(plant=plant), "road/t1")["journey"]["plans"]
    setup, _ = setup_of(plant, "road/t1", plant.template_of("road/t1").journey)
    (leg,) = legs_of(setup.plan_of["daily"], ["shop"], setup.centres)
    assert tuple(drawn["way"]) == leg
    assert drawn["places"] == ["yard", "shop"]


@pytest.mark.parametrize("place", [0, 1])
def test_a_fence_is_drawn_as_it_is(tmp_path, place):
    fence = load_plant(write(tmp_path, PLANT)).config.place[place]
    corners = corners_of(fence)
    if fence.centre is None:
        assert tuple(corners) == fence.corners
    else:
        assert [distance_km(fence.centre, one) for one in corners] == pytest.approx(
            [fence.radius_m / 1000] * 24, rel=1e-3
        )
