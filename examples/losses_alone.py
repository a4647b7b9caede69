"""The distillation losses without the rest of the package: your own features, your own training loop."""

import torch

from robustseg.distill import hpdm, logit_kl, ohem_cross_entropy, rrm
from robustseg.distill.prototypes import draw_permutation

B, M, K = 2, 3, 5  # batch, modalities, classes
generator = torch.Generator().manual_seed(0)
shapes = [(16, 24, 32), (32, 12, 16), (64, 6, 8), (96, 3, 4)]  # C h w of four stages

# Four maps "B M C h w" from teacher and student, as any backbone gives them; slots of absent sensors may hold anything.
teacher = [torch.randn(B, M, *shape, generator=generator) for shape in shapes]
student = [torch.randn(B, M, *shape, generator=generator, requires_grad=True) for shape in shapes]
present = torch.tensor([[True, False, True], [False, True, True]])  # what the student sees

labels = torch.randint(0, K, (B, 96, 128), generator=generator)
labels[:, :10] = 255  # ignored
logits = torch.randn(B, K, 96, 128, generator=generator, requires_grad=True)
teacher_logits = torch.randn(B, K, 96, 128, generator=generator)

losses = {
    "cross_entropy": ohem_cross_entropy(logits, labels),
    "logit_kl": logit_kl(student=logits, teacher=teacher_logits),
    "hpdm": hpdm(
        student=student,
        teacher=teacher,
        labels=labels,
        num_classes=K,
        present=present,
        permutation=draw_permutation(present, None, generator),
    ),
    "rrm": rrm(student=student, teacher=teacher, present=present),
}
sum(losses.values(), torch.zeros(())).backward()
for name, value in losses.items():
    print(f"{name:14} {value.item():.4f}")

gradient = student[0].grad
assert gradient is not None
assert gradient[0, 1].abs().max() == 0, "an absent sensor gets no gradient"
