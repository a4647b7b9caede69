"""The losses, each alone in its file: cross-entropy, logit KL, HPDM, RRM, and the objective that weighs them.

All are pure functions of tensors and usable without the rest of the package. They return an unweighted scalar, a
differentiable 0 where there is nothing to compare, compute in float32 under autocast (double stays double), and no
gradient ever reaches the teacher.
"""

from robustseg.distill.class_weights import class_weights
from robustseg.distill.cross_entropy import ohem_cross_entropy
from robustseg.distill.logits import logit_kl
from robustseg.distill.objective import Objective, gradient_shares
from robustseg.distill.prototypes import Matching, draw_permutation, hpdm
from robustseg.distill.representation import rrm

__all__ = [
    "Matching",
    "Objective",
    "class_weights",
    "draw_permutation",
    "gradient_shares",
    "hpdm",
    "logit_kl",
    "ohem_cross_entropy",
    "rrm",
]
