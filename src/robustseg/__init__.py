"""RobustSeg: multi-modal semantic segmentation that survives missing, degraded and noisy sensors."""

__version__ = "0.1.0"
