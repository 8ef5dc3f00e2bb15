"""Events: the rule that turns logits into detections, their score, and the tuning of rules. Imports no runtime."""
