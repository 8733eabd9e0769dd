"""Training windows: epochs over the token stream, shuffled."""

import numpy as np
import torch

PARAGRAPH_SHARE = 0.1


class Windows:
    """Every epoch cuts the stream at a new random phase into windows of T + 1 tokens and shuffles them.

    One window in ten instead starts at a paragraph, after <|endoftext|>.
    """

    def __init__(self, ids, end_of_text, newline, seed):
        self.ids, self.end_of_text = ids, end_of_text
        is_newline = ids == newline  # a paragraph break is two newline tokens
        self.paragraphs = np.flatnonzero(is_newline[:-1] & is_newline[1:]) + 2
        self.random = np.random.default_rng(seed)
        self.T, self.order = 0, []

    def batch(self, rows, T):
        """Token ids [rows, T + 1], int64."""
        if T != self.T:
            self.T, self.order = T, []
        out = np.empty((rows, T + 1), np.int64)
        for row in range(rows):
            if not self.order:
                phase = self.random.integers(0, T)
                starts = np.arange(phase, len(self.ids) - T - 1, T)
                self.order = list(self.random.permutation(starts))
            at = self.order.pop()
            if self.random.random() < PARAGRAPH_SHARE:
                nearest = min(np.searchsorted(self.paragraphs, at), len(self.paragraphs) - 1)
                at = min(self.paragraphs[nearest], len(self.ids) - T - 1)
                out[row, 0] = self.end_of_text
                out[row, 1:] = self.ids[at : at + T]
            else:
                out[row] = self.ids[at : at + T + 1]
        return torch.from_numpy(out)
