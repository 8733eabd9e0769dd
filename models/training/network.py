"""GPT-2's forward and backward pass, written out by hand for a CPU.

Matrix products go through oneDNN's bf16 kernels, element-wise steps through kernels.c; the residual
stream stays in fp32. check_gradients.py compares the gradients with autograd.
Shapes: B windows of T tokens, N = B * T rows, C channels, heads of D = C / n_head channels.
"""

import math

import torch

import kernels

EPSILON = 1e-5
HEAD_ROWS = 512  # rows of the LM head computed at once, so that their logits stay in cache


class Network:
    def __init__(self, config, weights, halves, gradients):
        """Dicts by parameter name: fp32 weights, their bf16 copies, fp32 gradients."""
        self.config = config
        self.weights, self.halves, self.gradients = weights, halves, gradients
        self.kernels = kernels.load()

    def loss(self, x, y, position):
        """Mean loss of targets y given tokens x, both [B, T], placed at position, position + 1, ..."""
        hidden, _ = self._blocks(x, position, keep=False)
        normed, _, _ = self._norm(hidden, "ln_f")
        return self._head(normed.to(torch.bfloat16), y, None)

    def loss_and_gradients(self, x, y, position):
        """As loss(); overwrites the gradients."""
        hidden, saved = self._blocks(x, position, keep=True)
        normed, mean, rstd = self._norm(hidden, "ln_f")
        d_normed = torch.empty(hidden.shape)
        loss = self._head(normed.to(torch.bfloat16), y, d_normed)
        d_hidden = self._norm_backward(d_normed, hidden, mean, rstd, "ln_f")
        self._blocks_backward(x, position, saved, d_hidden)
        return loss

    def _blocks(self, x, position, keep):
        """Residual stream after the last block [N, C], and with keep what the backward pass needs."""
        weights = self.weights
        B, T = x.shape
        C = self.config.n_embd
        scale = 1 / math.sqrt(C // self.config.n_head)
        positions = weights["wpe.weight"][position : position + T]
        h = (weights["wte.weight"][x.reshape(-1)].view(B, T, C) + positions).view(B * T, C)
        saved = []
        for i in range(self.config.n_layer):
            a, mean1, rstd1 = self._norm(h, f"h.{i}.ln_1")
            a = a.to(torch.bfloat16)
            q, k, v = (
                self._to_heads(part, B, T) for part in self._linear(a, f"h.{i}.attn.c_attn").split(C, 1)
            )
            s = torch.bmm(q, k.transpose(1, 2))
            self.kernels.softmax_fwd(s.data_ptr(), s.shape[0], T, scale)
            o = self._from_heads(torch.bmm(s, v), B, T)
            h2 = h + self._linear(o, f"h.{i}.attn.c_proj")
            b, mean2, rstd2 = self._norm(h2, f"h.{i}.ln_2")
            b = b.to(torch.bfloat16)
            f = self._linear(b, f"h.{i}.mlp.c_fc")
            g = torch.empty_like(f)
            self.kernels.gelu_fwd(f.data_ptr(), g.data_ptr(), f.numel())
            if keep:
                saved.append((h, a, mean1, rstd1, q, k, v, s, o, h2, b, mean2, rstd2, f, g))
            h = h2 + self._linear(g, f"h.{i}.mlp.c_proj")
        return h, saved

    def _blocks_backward(self, x, position, saved, dh):
        """dh: gradient of the residual stream after the last block, [N, C]."""
        B, T = x.shape
        scale = 1 / math.sqrt(self.config.n_embd // self.config.n_head)
        for i in reversed(range(self.config.n_layer)):
            h, a, mean1, rstd1, q, k, v, s, o, h2, b, mean2, rstd2, f, g = saved.pop()
            dg = self._linear_backward(dh.to(torch.bfloat16), g, f"h.{i}.mlp.c_proj")
            self.kernels.gelu_bwd(f.data_ptr(), dg.data_ptr(), dg.data_ptr(), dg.numel())
            db = self._linear_backward(dg, b, f"h.{i}.mlp.c_fc")
            dh = dh + self._norm_backward(db.float(), h2, mean2, rstd2, f"h.{i}.ln_2")
            do = self._linear_backward(dh.to(torch.bfloat16), o, f"h.{i}.attn.c_proj")
            do = self._to_heads(do, B, T)
            ds = torch.bmm(do, v.transpose(1, 2))
            dv = torch.bmm(s.transpose(1, 2), do)
            self.kernels.softmax_bwd(s.data_ptr(), ds.data_ptr(), s.shape[0], T, scale)
            dq, dk = torch.bmm(ds, k), torch.bmm(ds.transpose(1, 2), q)
            dqkv = torch.cat([self._from_heads(part, B, T) for part in (dq, dk, dv)], 1)
            da = self._linear_backward(dqkv, a, f"h.{i}.attn.c_attn")
            dh = dh + self._norm_backward(da.float(), h, mean1, rstd1, f"h.{i}.ln_1")
        self.gradients["wpe.weight"].zero_()
        self.gradients["wpe.weight"][position : position + T] = dh.view(B, T, -1).sum(0)
        self.gradients["wte.weight"].index_add_(0, x.reshape(-1), dh)

    def _head(self, normed, y, d_normed):
        """Mean loss through the LM head (wte). If d_normed [N, C] is given, fills it and wte's gradient."""
        weight, targets = self.halves["wte.weight"], y.reshape(-1).contiguous()
        wants_gradient = d_normed is not None
        N = len(normed)
        if wants_gradient:
            self.gradients["wte.weight"].zero_()
        loss = 0.0
        for at in range(0, N, HEAD_ROWS):
            rows = normed[at : at + HEAD_ROWS]
            z = rows @ weight.t()  # logits, then their gradient
            loss += self.kernels.xent(
                z.data_ptr(),
                targets[at:].data_ptr(),
                z.shape[0],
                self.config.vocab,
                1 / N,
                int(wants_gradient),
            )
            if wants_gradient:
                d_normed[at : at + HEAD_ROWS] = z @ weight
                self.gradients["wte.weight"] += z.t() @ rows
        return loss / N

    def _linear(self, x, name):
        return torch.addmm(self.halves[name + ".bias"], x, self.halves[name + ".weight"])

    def _linear_backward(self, d, x, name):
        """d: [N, out], x: [N, in], both bf16. Returns the gradient of x."""
        self.gradients[name + ".weight"].copy_(x.t() @ d)
        self.kernels.colsum(d.data_ptr(), self.gradients[name + ".bias"].data_ptr(), *d.shape)
        return d @ self.halves[name + ".weight"].t()

    def _norm(self, h, name):
        """Normalised rows, and the mean and reciprocal deviation of each row."""
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return torch.native_layer_norm(h, (self.config.n_embd,), weight, bias, EPSILON)

    def _norm_backward(self, d, h, mean, rstd, name):
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        dx, d_weight, d_bias = torch.ops.aten.native_layer_norm_backward(
            d, h, [self.config.n_embd], mean, rstd, weight, bias, [True] * 3
        )
        self.gradients[name + ".weight"].copy_(d_weight)
        self.gradients[name + ".bias"].copy_(d_bias)
        return dx

    def _to_heads(self, x, B, T):  # [N, C] -> [B * n_head, T, D]
        heads = self.config.n_head
        return x.view(B, T, heads, -1).transpose(1, 2).reshape(B * heads, T, -1)

    def _from_heads(self, x, B, T):  # [B * n_head, T, D] -> [N, C]
        return x.view(B, self.config.n_head, T, -1).transpose(1, 2).reshape(B * T, -1)
