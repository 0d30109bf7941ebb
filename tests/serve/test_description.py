"""The description of the service, held against what it answers."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.serve.conftest import Asking

EXAMPLES = 20
ASKING = [
    ("POST", "/search"),
    ("POST", "/categorise"),
    ("GET", "/products/{product_id}"),
    ("GET", "/products/{product_id}/similar"),
    ("GET", "/products/{product_id}/related"),
    ("GET", "/recommendations"),
    ("GET", "/images/{image_id}"),
    ("GET", "/thumbs/{sha256}.webp"),
]
OF_ANY_TEXT = {"/products/{product_id}", "/images/{image_id}"}  # nothing that is sent there is against the description
PLAIN = [("GET", "/live"), ("GET", "/ready"), ("GET", "/about"), ("GET", "/metrics")]
AS_DESCRIBED = [
    *((*operation, GenerationMode.POSITIVE) for operation in ASKING + PLAIN),
    *((*operation, GenerationMode.NEGATIVE) for operation in ASKING if operation[1] not in OF_ANY_TEXT),
]
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def description(asking: Asking) -> Any:
    """The description that a service without keys gives of itself."""
    return schemathesis.openapi.from_url(f"{asking().base_url}/openapi.json")


@pytest.fixture(scope="module")
def guarded(asking: Asking, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The description that a service with keys gives of itself."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"web {KEY}\n")
    return schemathesis.openapi.from_url(f"{asking(keys_file=keys).base_url}/openapi.json")


def test_every_address_is_described(description: Any, guarded: Any) -> None:
    for schema, keys in ((description, None), (guarded, [{"key": []}, {"bearer": []}])):
        told = schema.raw_schema
        assert told["openapi"].startswith("3.1")
        found = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
        assert found == {*ASKING, *PLAIN}
        assert told["paths"]["/search"]["post"].get("security") == keys
        assert "security" not in told["paths"]["/live"]["get"]
        assert told["components"]["schemas"]["Question"]["examples"]


@pytest.mark.parametrize(("method", "path", "mode"), AS_DESCRIBED)
def test_whatever_is_sent_is_answered_as_described_and_never_with_a_fault(
    description: Any, method: str, path: str, mode: GenerationMode
) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(case=description[path][method].as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        # A description cannot say which bytes are a picture, and which ids are those of products.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    holds()


@pytest.mark.parametrize(("method", "path"), [("POST", "/search"), ("GET", "/products/{product_id}/similar")])
def test_a_key_that_is_described_is_asked_for(guarded: Any, method: str, path: str) -> None:
    @settings(max_examples=5, suppress_health_check=list(HealthCheck))
    @given(case=guarded[path][method].as_strategy())
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"X-API-Key": KEY}, excluded_checks=[positive_data_acceptance])

    holds()
