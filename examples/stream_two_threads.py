"""Two sensors in threads of their own, and answers from what is young: the second one stalls, then lags, then recovers.

    python examples/stream_two_threads.py [MODEL_FOLDER]

Without a model folder the network has random weights: the labels mean nothing, the times do.
"""

import sys
import threading
import time

import numpy as np

import robustseg as rs
from robustseg.deploy import StreamAnswer
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta

SECONDS = 3.0
ANSWERS_PER_SECOND = 5.0


def random_model() -> Segmenter:
    """A camera and a LiDAR, three classes."""
    modalities = (
        Modality("rgb", mean=(110.0, 110.0, 110.0), std=(60.0, 60.0, 60.0), photometric=True),
        Modality("lidar", unit="m", mean=(10.0, 10.0, 10.0), std=(8.0, 8.0, 8.0), resample="nearest"),
    )
    classes = (LabelClass("road", (128, 64, 128)), LabelClass("car", (0, 0, 142)), LabelClass("tree", (107, 142, 35)))
    empty = segmenter_on_meta("mit_nano", width=16, num_classes=len(classes), num_modalities=len(modalities))
    model = random_segmenter(empty, seed=0)
    model.card = ModelCard("mit_nano", 16, classes, modalities, "remove", (64, 96))
    return model


def sense(stream: rs.Stream, place: int, rate: float, ended: threading.Event) -> None:
    """A sensor's thread, whose clock is an hour wrong. All but the first stall for a while, then send old frames."""
    name, begun = stream.predictor.modalities[place].name, time.monotonic()
    rng = np.random.default_rng(place)
    height, width = stream.predictor.model.card.input_size
    while not ended.wait(1 / rate):
        now = time.monotonic()
        past = (now - begun) / SECONDS if place > 0 else 0.0
        if not 0.3 < past < 0.5:
            image = rng.uniform(0, 50, (height, width, 3)).astype(np.float32)  # a new array
            stream.push(name, image, now + 3600 - (0.4 if 0.5 < past < 0.7 else 0.0))


def show(answer: StreamAnswer) -> None:
    """One line per answer."""
    used = [f"{name} {1000 * age:.0f} ms old" for name, age in answer.ages.items()]
    unused = [f"{name} not: {unused.words}" for name, unused in answer.unused.items()]
    print(f"{answer.status:9}", "; ".join(used + unused), flush=True)


model = rs.load(sys.argv[1]) if len(sys.argv) > 1 else random_model()
names = [modality.name for modality in model.card.modalities][:2]
stream = rs.Stream(rs.Predictor(model), dict.fromkeys(names, 0.25))

with stream.run(ANSWERS_PER_SECOND, show) as ended:
    sensors = [
        threading.Thread(target=sense, args=(stream, place, rate, ended))
        for place, rate in zip(range(len(names)), (30.0, 10.0), strict=False)
    ]
    for sensor in sensors:
        sensor.start()
    ended.wait(SECONDS)
for sensor in sensors:
    sensor.join()

for name, counts in stream.counts.items():
    print(name, counts)
for event in stream.events:
    print(event)
