"""Sensors that cannot be believed: learned from training frames, noticed at work."""

from robustseg.deploy.health.learning import Learner, learn_health
from robustseg.deploy.health.monitor import Monitor, Verdict
from robustseg.deploy.health.profile import HEALTH_FILE, Profile, load_profiles, save_profiles
from robustseg.deploy.health.table import learned_table

__all__ = [
    "HEALTH_FILE",
    "Learner",
    "Monitor",
    "Profile",
    "Verdict",
    "learn_health",
    "learned_table",
    "load_profiles",
    "save_profiles",
]
