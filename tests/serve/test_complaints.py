"""What the log says of refusals."""

import pytest

from vitrine.errors import ModelMismatch, Unavailable
from vitrine.serve.complaints import Complaints


def test_each_class_is_logged_once_a_minute_and_only_ids_of_models_are_told(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    complaints = Complaints(clock=lambda: now[0])
    for now[0] in (0.0, 1.0, 59.0, 61.0):
        complaints.hear(Unavailable("secret filter"))
    complaints.hear(ModelMismatch("shop__r1", found="m2", wanted="m1"))
    assert [one.split(":")[0] for one in caplog.messages] == [
        "not answered error=Unavailable",
        "not answered error=Unavailable",
        "not answered error=ModelMismatch",
    ]
    assert "m1" in caplog.messages[-1]
    assert "m2" in caplog.messages[-1]
    assert "secret" not in caplog.text
