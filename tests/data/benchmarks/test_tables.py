"""Ids, names and colours of the classes, means and stds: number by number as their owners publish them."""

import pytest

from robustseg.data.benchmarks import deliver, mcubes
from robustseg.data.benchmarks.muses import CLASSES
from robustseg.data.benchmarks.muses.inputs import STATISTICS

DELIVER = """
1 Building: 70 70 70
2 Fence: 100 40 40
3 Other: 55 90 80
4 Pedestrian: 220 20 60
5 Pole: 153 153 153
6 RoadLine: 157 234 50
7 Road: 128 64 128
8 SideWalk: 244 35 232
9 Vegetation: 107 142 35
10 Cars: 0 0 142
11 Wall: 102 102 156
12 TrafficSign: 220 220 0
13 Sky: 70 130 180
14 Ground: 81 0 81
15 Bridge: 150 100 100
16 RailTrack: 230 150 140
17 GroundRail: 180 165 180
18 TrafficLight: 250 170 30
19 Static: 110 190 160
20 Dynamic: 170 120 50
21 Water: 45 60 150
22 Terrain: 145 170 100
23 TwoWheeler: 0 0 230
24 Bus: 0 60 100
25 Truck: 0 0 70
"""

MUSES = """
0 road: 128 64 128
1 sidewalk: 244 35 232
2 building: 70 70 70
3 wall: 102 102 156
4 fence: 190 153 153
5 pole: 153 153 153
6 traffic light: 250 170 30
7 traffic sign: 220 220 0
8 vegetation: 107 142 35
9 terrain: 152 251 152
10 sky: 70 130 180
11 person: 220 20 60
12 rider: 255 0 0
13 car: 0 0 142
14 truck: 0 0 70
15 bus: 0 60 100
16 train: 0 80 100
17 motorcycle: 0 0 230
18 bicycle: 119 11 32
"""

MCUBES = """
0 asphalt: 44 160 44
1 concrete: 31 119 180
2 metal: 255 127 14
3 road_marking: 214 39 40
4 fabric: 140 86 75
5 glass: 127 127 127
6 plaster: 188 189 34
7 plastic: 255 152 150
8 rubber: 23 190 207
9 sand: 174 199 232
10 gravel: 196 156 148
11 ceramic: 197 176 213
12 cobblestone: 247 182 210
13 brick: 199 199 199
14 grass: 219 219 141
15 wood: 158 218 229
16 leaf: 57 59 121
17 water: 107 110 207
18 human: 156 158 222
19 sky: 99 121 57
"""


@pytest.mark.parametrize(
    ("classes", "table"),
    [(deliver.CLASSES, DELIVER), (CLASSES, MUSES), (mcubes.CLASSES, MCUBES)],
    ids=["deliver", "muses", "mcubes"],
)
def test_classes(classes, table):
    """Id in the file, name, red, green and blue of every train id in turn."""
    rows = [
        f"{entry.ids[0] if entry.ids else place} {entry.name}: {' '.join(map(str, entry.color))}"
        for place, entry in enumerate(classes)
    ]
    assert rows == table.split("\n")[1:-1]
    assert all(len(entry.ids) <= 1 for entry in classes)


def test_cafusers_statistics():
    """Mean and std of range, intensity, height; range, power, 0; counts of both polarities, 0."""
    assert STATISTICS["lidar"] == ((4.917, 6.149, 0.270), (13.347, 17.638, 1.232))
    assert STATISTICS["radar"] == ((4.004, 9.343, 0.0), (14.607, 19.294, 1.0))
    assert STATISTICS["event"] == ((0.1258, 0.1273, 0.0), (0.5442, 0.4763, 1.0))
    assert STATISTICS["camera"] == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # 255 times ImageNet's
