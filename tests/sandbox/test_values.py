"""What people and files may read of a value."""

from sandbox.values import UNKNOWN, secret, shown


def test_a_secret_is_not_shown_at_any_depth() -> None:
    value = {"keys": [secret("s3cret")], "whole": secret({"a": "s3cret"}), "plain": {"a": 1}}
    assert shown(value) == {"keys": ["[secret]"], "whole": "[secret]", "plain": {"a": 1}}


def test_what_is_not_known_stays_so() -> None:
    assert shown({"id": UNKNOWN}) == {"id": UNKNOWN}
