import pytest
from recordings import Ros


@pytest.fixture(params=["bag", "db3", "mcap"])
def ros(request: pytest.FixtureRequest) -> Ros:
    return Ros(request.param)


@pytest.fixture
def ros2() -> Ros:
    return Ros("db3")
