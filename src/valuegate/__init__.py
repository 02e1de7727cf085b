"""valuegate: instruments, scoring and audit behind the reproducible paper.

Importing the package costs nothing: torch is loaded only by the modules that run a model
(`models`, `scoring`, `residual`), so notebooks that read tables never pay for it.
"""

__version__ = "0.1.0"
