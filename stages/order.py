"""The order of the stages, as the packages that may not import this one know it too."""

from datakit.model.order import COMPUTED, EXPORT, ORDER, RAW, WIP, before

__all__ = ["COMPUTED", "EXPORT", "ORDER", "RAW", "WIP", "before"]
