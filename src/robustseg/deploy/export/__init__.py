"""Models as files for other runtimes: ONNX, OpenVINO, torch.export."""

from robustseg.deploy.export.calibration import CalibrationFrames, find_frames
from robustseg.deploy.export.deployed import Deployed, open_export
from robustseg.deploy.export.exporting import ExportSettings, export_model
from robustseg.deploy.export.manifest import Manifest, read_manifest

__all__ = [
    "CalibrationFrames",
    "Deployed",
    "ExportSettings",
    "Manifest",
    "export_model",
    "find_frames",
    "open_export",
    "read_manifest",
]
