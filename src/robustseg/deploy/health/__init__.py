"""Sensors that cannot be believed: learned from training frames, noticed at work."""

from robustseg.deploy.health.learning import Learner, learn_health
from robustseg.deploy.health.monitor import Monitor, Verdict
from robustseg.deploy.health.profile import HEALTH_FILE, Profile, load_profiles, save_profiles

__all__ = ["HEALTH_FILE", "Learner", "Monitor", "Profile", "Verdict", "learn_health", "load_profiles", "save_profiles"]
