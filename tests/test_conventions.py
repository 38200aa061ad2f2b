"""The vocabulary holds together: labels, classes, switches."""

import pytest
from scripts import conventions
from scripts.conventions import ConfigError, flag


def test_every_label_code_has_a_network_class():
    assert set(conventions.TO_NETWORK_CLASS) == set(range(len(conventions.LABEL_NAMES)))
    assert set(conventions.TO_NETWORK_CLASS.values()) == set(range(len(conventions.NETWORK_CLASSES)))


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), ("False", False), (False, False)])
def test_a_switch_is_read_as_typed_on_a_command_line(value, expected):
    assert flag(value, "overwrite") is expected


@pytest.mark.parametrize("value", ["yes", 1, None, ""])
def test_a_switch_that_is_neither_is_refused_with_its_key(value):
    with pytest.raises(ConfigError, match="overwrite: found .*--overwrite true"):
        flag(value, "overwrite")
