"""Augmentation of whole batches on their device; each example has its own draw.

A step maps inputs [n, *shape] and targets to inputs and targets of the same length. Targets are class numbers
[n], or, once mixed, probabilities [n, classes]. Steps that move things in a picture take `arrays`, the names of what
they move together; the full contract is in encore.data.contract. Random numbers come from the device's default
generator, which is seeded for every training step.
"""
