"""hybridir: how the ratio of monolingual to cross-lingual batches changes a retriever.

Importing the package is free of side effects and does not import torch.
"""

__version__ = "0.1.0"
