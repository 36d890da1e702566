"""The seven stages: each a pure function from the tree before it to its own tree.

One file per stage, each with a constant `STAGE`. `stages.order.ORDER` says which follows which.
"""
