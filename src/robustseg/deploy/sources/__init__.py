"""Frames from anywhere: lists of images, videos, arrays, recordings of ROS, and datasets."""

from robustseg.deploy.sources.arrays import ArrayFiles
from robustseg.deploy.sources.bags import is_bag
from robustseg.deploy.sources.lists import FileLists
from robustseg.deploy.sources.open import open_source
from robustseg.deploy.sources.recording import Recording
from robustseg.deploy.sources.rig import Rig, read_rig
from robustseg.deploy.sources.source import FramesSource, Images, Source, SourceFrame
from robustseg.deploy.sources.videos import VideoFiles

__all__ = [
    "ArrayFiles",
    "FileLists",
    "FramesSource",
    "Images",
    "Recording",
    "Rig",
    "Source",
    "SourceFrame",
    "VideoFiles",
    "is_bag",
    "open_source",
    "read_rig",
]
