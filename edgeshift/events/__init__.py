"""Events: the rule that turns a stream's logits into detections, how detections are scored, and how a rule is tuned.

Imports artifacts for the rule's fields, and no runtime. Needs no torch.
"""
