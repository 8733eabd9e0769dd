#!/usr/bin/env python3
"""Train a small GPT-2 on CPU: data-parallel processes, bf16 matrix products, fp32 master weights.

usage: train.py WORK_DIR RUN_DIR --minutes M [options]      (see options() below)

Reads WORK_DIR/{train,validation}.npy; writes RUN_DIR/{last,final}.pt and appends to RUN_DIR/log.jsonl.

One process per core, each single-threaded with its own half of the batch; parameters, gradients and
AdamW state are flat vectors in shared memory, and each process updates its share of the parameters.

The schedule is by wall clock, so a run ends when planned: learning rate and window length depend on
progress = elapsed / minutes. Linear warm-up, then cosine from --lr to --lr-min. The first
(1 - --long) of the time uses windows of 256 tokens, the rest windows of 1024.
"""

import argparse
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp

import kernels
from network import Network
from parameters import Config, Layout, initialise
from windows import Windows

SHORT, LONG = 256, 1024
OFFSET_SHARE = 0.3
ADAM_EPSILON = 1e-8


class Shared:
    """What all processes see."""

    def __init__(self, size, world):
        self.p, self.m, self.v = (shared_zeros(size) for _ in range(3))  # weights, AdamW moments
        self.h = shared_zeros(size, torch.bfloat16)  # bf16 copy of p
        # AdamW adds two gradients; with one process the second one stays zero.
        self.gradients = [shared_zeros(size) for _ in range(2)]
        self.losses = shared_zeros(world, torch.double)
        self.squares = shared_zeros(world, torch.double)
        self.progress = shared_zeros(1, torch.double)


def shared_zeros(size, dtype=torch.float):
    return torch.zeros(size, dtype=dtype).share_memory_()


class Worker:
    """One process of the run. All take the same steps and meet at the barrier between the phases of each."""

    def __init__(self, rank, options, config, shared, barrier):
        self.rank, self.world, self.options = rank, options.world, options
        self.config, self.shared, self.barrier = config, shared, barrier
        layout = Layout(config)
        self.network = Network(
            config, layout.views(shared.p), layout.views(shared.h), layout.views(shared.gradients[rank])
        )
        self.kernels = kernels.load()
        # This process's share of the update: a stretch of matrices, with weight decay, then one of vectors.
        lo, hi = layout.size * rank // self.world, layout.size * (rank + 1) // self.world
        self.share = lo, hi
        self.stretches = (lo, min(hi, layout.decay_end), options.wd), (max(lo, layout.decay_end), hi, 0.0)
        ids = np.load(options.work / "train.npy")
        self.tokens_per_epoch = len(ids)
        self.validation = np.load(options.work / "validation.npy").astype(np.int64)
        # Every rank draws the same batches and takes its own rows, so no window is seen twice an epoch.
        self.windows = Windows(ids, config.vocab - 1, options.newline, options.seed + options.step0)
        self.log_file = open(options.run / "log.jsonl", "a") if rank == 0 else None
        self.step, self.seen, self.progress = options.step0, options.seen0, options.progress0
        self.start = time.time() - 60 * options.minutes * self.progress
        self.loss_mean = self.norm = self.learning_rate = None
        self.last_log = time.time(), self.seen

    def run(self):
        options = self.options
        while self.update_progress() < 1:
            T = LONG if self.progress >= 1 - options.long else SHORT
            self.train_step(T)
            if self.step % options.log_every == 0:
                self.log_step(T)
            if self.step % options.eval_every == 0:
                loss = self.evaluate(T)
                self.save("last.pt")
                self.log(
                    step=self.step, T=T, tokens=self.seen, val=round(loss, 4), train=round(self.loss_mean, 4)
                )
            if options.steps and self.step >= options.steps:
                break
        loss = self.evaluate(LONG)
        self.save("final.pt")
        self.log(
            done=True,
            step=self.step,
            tokens=self.seen,
            val1024=round(loss, 4),
            train=round(self.loss_mean, 4),
            wall_s=round(time.time() - self.start, 1),
        )

    def update_progress(self):
        if self.rank == 0:  # one clock for all ranks
            self.shared.progress[0] = (time.time() - self.start) / (60 * self.options.minutes)
        self.barrier.wait()
        self.progress = float(self.shared.progress[0])
        return self.progress

    def scheduled_rate(self):
        low, high = self.options.lr_min, self.options.lr
        warm_up = min(1.0, (self.step + 1) / self.options.warmup)
        return warm_up * (low + (high - low) * 0.5 * (1 + math.cos(math.pi * self.progress)))

    def train_step(self, T):
        """One batch of windows of T tokens and one update."""
        self.learning_rate = self.scheduled_rate()
        rows = self.options.batch_tokens // T
        batch = self.windows.batch(rows, T)
        # Some batches sit at a random offset, so that all position vectors learn from the start.
        offset = self.windows.random.random() < OFFSET_SHARE
        position = int(self.windows.random.integers(0, self.config.n_positions - T + 1)) if offset else 0
        mine = batch[self.rank :: self.world]
        loss = self.network.loss_and_gradients(mine[:, :-1], mine[:, 1:], position)
        self.shared.losses[self.rank] = loss
        self.barrier.wait()  # all gradients are written
        self.norm = self.gradient_norm()
        mean_loss = float(self.shared.losses.mean())
        self.step += 1
        self.update()
        self.barrier.wait()  # all parameters are updated
        self.seen += rows * T
        self.loss_mean = mean_loss if self.loss_mean is None else 0.98 * self.loss_mean + 0.02 * mean_loss

    def gradient_norm(self):
        lo, hi = self.share
        g0, g1 = self.shared.gradients
        self.shared.squares[self.rank] = self.kernels.sumsq2(pointer(g0, lo), pointer(g1, lo), hi - lo)
        self.barrier.wait()
        return math.sqrt(float(self.shared.squares.sum())) / self.world

    def update(self):
        """AdamW on this process's share, with the mean gradient clipped to a norm of --clip."""
        options, shared = self.options, self.shared
        scale = (1 / self.world) * min(1.0, options.clip / (self.norm + 1e-6))
        correction1 = 1 / (1 - options.b1**self.step)
        correction2 = 1 / (1 - options.b2**self.step)
        for lo, hi, decay in self.stretches:
            if hi <= lo:
                continue
            vectors = (shared.p, shared.h, *shared.gradients, shared.m, shared.v)
            self.kernels.adamw(
                *(pointer(vector, lo) for vector in vectors),
                hi - lo,
                scale,
                self.learning_rate,
                decay,
                options.b1,
                options.b2,
                ADAM_EPSILON,
                correction1,
                correction2,
            )

    def evaluate(self, T):
        """Mean loss over --eval-tokens of validation, spread evenly, windows of T."""
        count = self.options.eval_tokens // T
        starts = np.linspace(0, len(self.validation) - T - 2, count).astype(int)[self.rank :: self.world]
        total = 0.0
        for i in range(0, len(starts), 8):
            windows = np.stack([self.validation[at : at + T + 1] for at in starts[i : i + 8]])
            windows = torch.from_numpy(windows)
            total += self.network.loss(windows[:, :-1], windows[:, 1:], 0) * len(windows)
        self.shared.losses[self.rank] = total
        self.barrier.wait()
        mean = float(self.shared.losses.sum()) / count
        self.barrier.wait()
        return mean

    def save(self, name):
        if self.rank != 0:
            return
        path = self.options.run / name
        partial = path.with_suffix(".tmp")
        torch.save(
            {
                "p": self.shared.p,
                "m": self.shared.m,
                "v": self.shared.v,
                "step": self.step,
                "seen": self.seen,
                "progress": self.progress,
                "cfg": asdict(self.config),
            },
            partial,
        )
        partial.replace(path)

    def log_step(self, T):
        (last_time, last_seen), now = self.last_log, time.time()
        self.last_log = now, self.seen
        self.log(
            step=self.step,
            min=round((now - self.start) / 60, 2),
            tokens=self.seen,
            epoch=round(self.seen / self.tokens_per_epoch, 2),
            T=T,
            lr=round(self.learning_rate, 6),
            train=round(self.loss_mean, 4),
            norm=round(self.norm, 3),
            tps=round((self.seen - last_seen) / (now - last_time)),
        )

    def log(self, **record):
        if self.rank != 0:
            return
        self.log_file.write(json.dumps(record) + "\n")
        self.log_file.flush()
        print(record, flush=True)


def pointer(vector, index):
    return vector.data_ptr() + index * vector.element_size()


def work(rank, options, config, shared, barrier):
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    Worker(rank, options, config, shared, barrier).run()


def options():
    parser = argparse.ArgumentParser(description="Train a small GPT-2 on CPU.")
    parser.add_argument("work", type=Path, help="folder of train.npy and validation.npy")
    parser.add_argument("run", type=Path, help="folder for checkpoints and the log")
    parser.add_argument(
        "--minutes", type=float, default=60, help="length of the run, which the schedule fills"
    )
    parser.add_argument(
        "--steps", type=int, default=0, help="stop after so many steps; 0: when the time is over"
    )
    parser.add_argument("--world", type=int, default=2, choices=[1, 2], help="processes")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--lr-min", type=float, default=1e-4)
    parser.add_argument("--warmup", type=int, default=150, help="steps")
    parser.add_argument("--wd", type=float, default=0.1, help="weight decay of matrices")
    parser.add_argument("--b1", type=float, default=0.9)
    parser.add_argument("--b2", type=float, default=0.95)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of a gradient")
    parser.add_argument("--long", type=float, default=0.2, help="share of the time spent on windows of 1024")
    parser.add_argument("--eval-every", type=int, default=200, help="steps")
    parser.add_argument("--eval-tokens", type=int, default=32768)
    parser.add_argument("--log-every", type=int, default=20, help="steps")
    parser.add_argument("--newline", type=int, default=198, help="id of the newline token")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, help="checkpoint to go on from (same --minutes)")
    return parser.parse_args()


def main(options):
    torch.set_num_threads(1)
    options.run.mkdir(parents=True, exist_ok=True)
    kernels.build()
    config = Config()
    size = Layout(config).size
    print("parameters", size, vars(options), flush=True)
    shared = Shared(size, options.world)
    initialise(shared.p, config, options.seed)
    options.step0, options.seen0, options.progress0 = 0, 0, 0.0
    if options.resume:
        saved = torch.load(options.resume)
        for name in "pmv":
            getattr(shared, name).copy_(saved[name])
        options.step0, options.seen0, options.progress0 = saved["step"], saved["seen"], saved["progress"]
    shared.h.copy_(shared.p)
    barrier = mp.get_context("spawn").Barrier(options.world)
    mp.spawn(work, (options, config, shared, barrier), nprocs=options.world)


if __name__ == "__main__":
    main(options())
