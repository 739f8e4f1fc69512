"""What is fitted on val, as others read it, and what is said of what could not be."""

import json

import numpy as np
import pytest

from stages.config.schema import Evaluate
from stages.evaluation.abstaining import Thresholds, threshold_at_risk
from stages.evaluation.calibration import Temperature, fit_temperature
from stages.evaluation.fitted import Fitted, fit, how_sure
from stages.splitting.genera import number_genera
from tests.support.predictions import evaluated_of, example

MADE = example(seed=9, classes=24, val=300, test=20, skill=3.0)
VAL = evaluated_of(MADE, "val")
_, GENUS_OF = number_genera(MADE.species)
PARAMS = Evaluate(seed=1, min_groups=10, resamples=100, max_risks=[0.05, 0.2], confident=0.9)


def test_thresholds_are_those_of_probabilities_at_the_temperature():
    fitted = fit(VAL, GENUS_OF, PARAMS)
    assert fitted.temperature == fit_temperature(VAL, min_groups=10)
    confidences = VAL.answers.confidences(fitted.temperature.value)
    assert (fitted.val.confidences == confidences).all()
    for one, max_risk in zip(fitted.thresholds, (0.05, 0.2), strict=True):
        assert one.max_risk == max_risk
        assert one.species == threshold_at_risk(
            confidences, VAL.answers.hits, VAL.groups, max_risk=max_risk, min_groups=10
        )
    assert fitted.warnings() == []


def test_what_others_read_is_json_and_comes_back_exactly():
    fitted = fit(VAL, GENUS_OF, PARAMS)
    content = json.loads(json.dumps(fitted.content(model_sha256="5a" * 32), allow_nan=False))
    assert content["temperature"] == fitted.temperature.value
    assert (content["val_images"], content["temperature_at_end"]) == (300, False)
    assert [Thresholds(**entry) for entry in content["thresholds"]] == fitted.thresholds
    # Whoever rounds a probability as is done here decides as it was decided here.
    at = content["thresholds"][0]["species"]
    assert at in fitted.val.confidences
    assert at == round(at, 6)


SURE = how_sure(VAL, 1.0, GENUS_OF)


@pytest.mark.parametrize(
    ("temperature", "thresholds", "said"),
    [
        (Temperature(4.0, 9, 9, at_end=True), [], ["the temperature 4 stands at the end of those that predictions are "
         "known at (0.25 to 4): the best one lies beyond it"]),
        (Temperature(1.0, 0, 0, at_end=False), [], [
         f"no temperature is fitted: val has only {len(np.unique(VAL.groups))} observations, and 1 is taken"]),
        (Temperature(1.0, 9, 9, at_end=False), [Thresholds(0.05, None, 0.5), Thresholds(0.1, None, 0.5)],
         ["no species is said at a risk of at most 5%, 10%: val has too few images for it, or too many wrong ones"]),
        (Temperature(1.0, 9, 9, at_end=False), [Thresholds(0.025, 0.5, None), Thresholds(0.1, 0.5, 0.5)],
         ["no genus is said at a risk of at most 2.5%: val has too few images for it, or too many wrong ones"]),
    ],
)  # fmt: skip
def test_what_could_not_be_fitted_is_said(temperature, thresholds, said):
    assert Fitted(temperature, thresholds, SURE).warnings() == said
