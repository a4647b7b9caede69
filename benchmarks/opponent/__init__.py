"""The opponent: the same network, losses and evaluation, computed the way the paper and its released code compute them.

Written from descriptions of that code, not copied from it. It takes the weights of our models as they are, so that both
sides can be shown to compute the same before they are timed:

network      attention as two matrix products with a softmax in between, tokens carried back and forth between "B L C"
             and "B C H W", a head that widens every stage to E channels, upsamples and joins them
losses       prototypes in nested loops; functional entropy over ten noisy copies, differentiated twice
training     a student's step: teacher, student, losses, backward pass, AdamW parameter by parameter
evaluation   one forward pass for every subset of the modalities
"""
