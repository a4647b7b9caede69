"""The losses, each alone in its file, and the objective that weighs them.

Cross-entropy, logit KL, HPDM and RRM are the method's, IFV is its successor's. UMD and CMD (AnySeg), consistency
(MAGIC) and functional entropy are its rivals', as far as they are known. Prediction of absent modalities is ours.

All are pure functions of tensors and usable without the rest of the package. They return an unweighted scalar, a
differentiable 0 where there is nothing to compare, compute in float32 under autocast (double stays double), and no
gradient ever reaches the teacher.
"""

from robustseg.distill.anyseg import crossmodal, unimodal
from robustseg.distill.class_weights import class_weights
from robustseg.distill.consistency import better_half, consistency
from robustseg.distill.cross_entropy import ohem_cross_entropy
from robustseg.distill.entropy import feature_entropy, input_entropy
from robustseg.distill.ifv import ifv
from robustseg.distill.logits import logit_kl
from robustseg.distill.objective import Objective, gradient_shares
from robustseg.distill.prediction import Predictors, prediction
from robustseg.distill.prototypes import Matching, draw_permutation, hpdm
from robustseg.distill.representation import rrm

__all__ = [
    "Matching",
    "Objective",
    "Predictors",
    "better_half",
    "class_weights",
    "consistency",
    "crossmodal",
    "draw_permutation",
    "feature_entropy",
    "gradient_shares",
    "hpdm",
    "ifv",
    "input_entropy",
    "logit_kl",
    "ohem_cross_entropy",
    "prediction",
    "rrm",
    "unimodal",
]
