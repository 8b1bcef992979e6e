"""JSON is written as Python's own module writes it, faster."""

import json

from hypothesis import given
from hypothesis import strategies as some

from encore.files import json_of

PLAIN = (
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text()
)
KEYS = some.text() | some.integers() | some.booleans() | some.none()


@given(
    some.recursive(
        PLAIN, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(KEYS, inner, max_size=4), max_leaves=30
    )
)
def test_values_are_indented_as_by_python_itself(value):
    assert json_of(value) == json.dumps(value, indent=2) + "\n"


def test_numbers_that_json_lacks_are_texts():
    assert json.loads(json_of({"a": [float("inf"), float("nan")], "b": -float("inf")})) == {
        "a": ["inf", "nan"],
        "b": "-inf",
    }
