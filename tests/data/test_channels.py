"""Channel expressions: the grammar, its errors and what each expression computes."""

import numpy as np
import pytest

from robustseg.data.channels import Value, check_channels, compose, parse
from robustseg.modalities import Modality

DRAW = np.random.default_rng(0)
FILES = {
    "before": DRAW.normal(size=(4, 5, 3)).astype(np.float32),
    "after": DRAW.normal(size=(4, 5, 3)).astype(np.float32),
    "aolp": DRAW.normal(size=(4, 5, 1)).astype(np.float32),
}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("rgb", (Value("", "rgb", None),)),
        (" rgb.2 ", (Value("", "rgb", 2),)),
        ("sin( aolp )", (Value("sin", "aolp", None),)),
        ("mean(a)-mean(b.1)", (Value("mean", "a", None), Value("mean", "b", 1))),
        ("after - before.0", (Value("", "after", None), Value("", "before", 0))),
        ("sin", (Value("", "sin", None),)),
    ],
)
def test_parse(expression: str, values: tuple[Value, ...]) -> None:
    assert parse(expression) == values


@pytest.mark.parametrize(
    "expression", ["", "a b", "a -", "a - b - c", "a + b", "tan(a)", "a.b", "a[0]", "sin(cos(a))", "sin(a - b)", "a.-1"]
)
def test_parse_refuses_what_is_not_in_the_grammar(expression: str) -> None:
    with pytest.raises(ValueError, match="is not key"):
        parse(expression)


def test_compose() -> None:
    keys = {key: f"{key}/{{split}}/{{name}}.png" for key in FILES}
    modality = Modality("x", files=keys, channels=("mean(after) - mean(before)", "sin(aolp)", "after.2 - before.0"))
    image = compose(modality, FILES)
    assert image.dtype == np.float32
    expected = [
        FILES["after"].mean(axis=2) - FILES["before"].mean(axis=2),
        np.sin(FILES["aolp"][..., 0]),
        FILES["after"][..., 2] - FILES["before"][..., 0],
    ]
    assert np.allclose(image, np.stack(expected), atol=1e-6)
    swapped = compose(Modality("x", files=keys, channels=("cos(aolp)", "aolp", "before.1")), FILES)
    assert np.array_equal(swapped[1], FILES["aolp"][..., 0])
    assert np.allclose(swapped[0], np.cos(FILES["aolp"][..., 0]), atol=1e-6)


@pytest.mark.parametrize(("count", "places"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (4, [0, 1, 2])])
def test_default_channels(count: int, places: list[int]) -> None:
    image = DRAW.normal(size=(4, 5, count)).astype(np.float32)
    assert np.array_equal(compose(Modality("x"), {"x": image}), image[..., places].transpose(2, 0, 1))


def test_errors_say_what_is_there() -> None:
    rgb = {"rgb": FILES["before"]}
    with pytest.raises(ValueError, match=r"rgb\.3 is asked for, but the file has 3"):
        compose(Modality("rgb", channels=("rgb.0", "rgb.1", "rgb.3")), rgb)
    with pytest.raises(ValueError, match=r"has 3 channels: write rgb\.0 or mean\(rgb\)"):
        compose(Modality("rgb", channels=("rgb", "rgb", "rgb")), rgb)
    with pytest.raises(ValueError, match="names 'ir'; its files are rgb"):
        check_channels(Modality("rgb", channels=("rgb.0", "ir", "rgb.1")))
    with pytest.raises(ValueError, match="has the files a, b: say in `channels`"):
        check_channels(Modality("x", files={"a": "a.png", "b": "b.png"}))
