import base64
import io

import numpy as np
from PIL import Image

from robustseg.labels import LabelClass
from robustseg.report.frames.embed import fitted, label_uri, picture_uri

CLASSES = (LabelClass("road", (10, 20, 30)), LabelClass("car", (200, 0, 0)))


def opened(uri: str) -> Image.Image:
    kind, data = uri.split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{(image.format or '').lower()}"
    return image


def test_labels_keep_their_ids_and_colors() -> None:
    labels = np.array([[0, 1, 255], [1, 0, 0]], np.uint8)
    image = opened(label_uri(labels, CLASSES, 512))
    np.testing.assert_array_equal(np.asarray(image), labels)
    colors = np.asarray(image.convert("RGBA"))
    assert colors[0].tolist() == [[10, 20, 30, 255], [200, 0, 0, 255], [0, 0, 0, 0]]


def test_wide_images_shrink_in_their_proportions() -> None:
    labels = np.zeros((400, 1000), np.uint8)
    labels[:, 500:] = 1
    small = np.asarray(opened(label_uri(labels, CLASSES, 100)))
    assert small.shape == (40, 100)
    assert set(np.unique(small)) == {0, 1}  # no id between two others
    assert opened(picture_uri(np.zeros((400, 1000, 3), np.uint8), 100)).size == (100, 40)
    assert opened(picture_uri(np.zeros((4, 10, 3), np.uint8), 100)).size == (10, 4)


def test_labels_of_another_size_are_fitted_to_their_image() -> None:
    assert fitted(np.ones((13, 17), np.uint8), (6, 8), labels=True).shape == (6, 8)
